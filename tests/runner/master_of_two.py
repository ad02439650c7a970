"""A worker registry of two workers, on a manual clock."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from chatload.model.journal_lines import EndLine, JournalLine, UserLine, encode
from chatload.runner import messages
from chatload.runner.messages import Start
from chatload.runner.run_folder import RunFolder
from chatload.runner.supervisor import Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_registry import WorkerRegistry
from tests.manual_clock import ManualClock
from tests.plans import planned
from tests.runner.fake_locust import HOST, FakeProcess, FakeWorkers

MS = 1_000_000


class Master:
    """A registry of w1 and w2, whose clocks are 5 s and 7 s behind; answers come within 2 ms."""

    def __init__(self, folder: Path, *, answers: bool = True, **states: str) -> None:
        self.clock = ManualClock()
        self.workers = FakeWorkers(**(states or {"w1": "ready", "w2": "ready"}))
        self.behind_ns = {"w1": 5_000 * MS, "w2": 7_000 * MS}
        if answers:
            self.workers.on_send = self._answer
        self.process = FakeProcess(num_users=4)
        self.supervisor = Supervisor(lambda _: None)
        self.supervisor.begin()
        self.lines: list[JournalLine] = []
        self.said: list[str] = []
        self.registry = WorkerRegistry(
            self.process, self.workers, self.lines.append, self.supervisor, self.clock
        )
        self.planned = planned("chat", {"host": HOST, "num_users": 4, "out": str(folder / "run")})
        self.folder = RunFolder(self.planned, self.said.append, self.clock)
        self.start = Start(run_id="r", folder=str(folder), dialect="openai", model="m", planned=self.planned)
        self.tracker = UserTracker()
        self.numbers: Counter[str] = Counter()

    def begin(self) -> Master:
        self.clock.run(self.registry.begin, self.start, self.folder)
        self.tracker.assigned(["w1", "w2"])
        return self

    def send(self, worker: str, *lines: JournalLine, run_id: str = "r") -> None:
        """A batch of journal lines comes from a worker."""
        self.numbers[worker] += 1
        data = {"run_id": run_id, "number": self.numbers[worker], "lines": [encode(line) for line in lines]}
        self.workers.says(worker, messages.LINES, data)

    def looks(self, seconds: float = 0.1) -> bool:
        """Time goes by; whether the run is over then."""
        self.clock.sleep(seconds)
        return self.registry.is_over(self.tracker)

    def _answer(self, worker: str, kind: str, data: Any) -> None:
        if kind != messages.ASK_CLOCK or worker not in self.behind_ns:
            return
        answered_ns = self.clock.now_ns() + MS - self.behind_ns[worker]
        answer = {**data, "answered_ns": answered_ns, "boot_id": worker}
        self.clock.later(0.002, lambda: self.workers.says(worker, messages.TELL_CLOCK, answer))


def user(worker: str, number: int, event: str, at_ns: int = 0) -> UserLine:
    return UserLine(at_ns=at_ns, worker=worker, user=number, event=event)


def end(worker: str, lines: int, **more: int) -> EndLine:
    return EndLine(at_ns=1, worker=worker, reason="drained", lines=lines, **more)
