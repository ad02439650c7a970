"""The master's side of its workers: what it tells them, what it hears, and who was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import orjson
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

from chatload.engine.clock import now_ns
from chatload.loads.ramp import RampSegment
from chatload.model.errors import UsageError
from chatload.runner import messages as link
from chatload.runner.locust_patches import STRANGE
from chatload.runner.run_folder import RunFolder
from chatload.runner.session import Start
from chatload.runner.supervisor import NOT_WHOLE, Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_clocks import Clocks
from chatload.store.journal import JournalWriter

DRAIN_S, FAILED_DRAIN_S = 10.0, 2.0
BEGIN_S = 4.0
"""How long a worker that lives may take to say that it has begun: it does so within half a second."""

OnLine = Callable[[dict[str, Any]], None]
Listener = Callable[[Environment, Any], None]

FACTS = ("machine", "versions", "certificate")
"""What the manifest keeps of a worker's first line."""


class WorkerRegistry:
    """One per master. `begin` takes the workers that are ready on board; each batch of their journal lines is
    written down, acknowledged, and handed to `on_line`, its instants in the master's clock."""

    def __init__(
        self,
        runner: MasterRunner,
        stop_timeout_s: Callable[[], float],
        on_line: OnLine,
        supervisor: Supervisor,
    ) -> None:
        self._runner = runner
        self._supervisor = supervisor
        self._stop_timeout_s = stop_timeout_s
        self._on_line = on_line
        self._books: RunFolder | None = None
        self._journal: JournalWriter | None = None
        self._run_id, self._running = "", False
        self._silent_ns: dict[str, int] = {}
        self._inbox = link.Inbox("")
        self._clocks = Clocks(self._ask_clock)
        self._drained: set[str] = set()
        self._lost: dict[str, tuple[int, str]] = {}
        self._lines: Counter[str] = Counter()
        self._ends: dict[str, dict[str, Any]] = {}
        self.workers: set[str] = set()
        for kind, listener in (
            (link.LINES, self._on_lines),
            (link.DRAINED, self._on_drained),
            (link.TELL_CLOCK, self._on_clock),
            (link.FAILED, self._on_failed),
        ):
            runner.register_message(kind, self._watched(listener))

    @property
    def ready(self) -> int:
        """Workers that could take part."""
        return len(self._runner.clients.ready)

    def begin(self, start: Start, folder: Path, books: RunFolder) -> None:
        """Read the workers' clocks and tell each that a run begins."""
        self._books, self._journal = books, JournalWriter(folder / "journal-master.jsonl")
        if self._journal.problem is not None:
            raise UsageError([f"{folder}: {self._journal.problem}"])
        self._run_id, self._running = start.run_id, True
        self._inbox, self._clocks = link.Inbox(start.run_id), Clocks(self._ask_clock)
        self._drained, self._lost = set(), {}
        self._lines, self._ends = Counter(), {}
        self.workers = {client.id for client in self._runner.clients.ready}
        self.read_clocks()
        books.write("running")
        for worker in self.workers:
            self._send(link.START, self._start_message(start, worker), worker)
        self._silent_ns = {}

    def _start_message(self, start: Start, worker: str) -> dict[str, Any]:
        return {"run_id": start.run_id, "folder": start.folder, "dialect": start.dialect, "model": start.model,
                "values": start.values, "send_key": start.send_key, "content": start.content,
                "clock_offset_ns": self._clocks.offset_ns(worker)}  # fmt: skip

    def ramp(self, segment: RampSegment, lead_s: float, workers: Sequence[str]) -> None:
        """Tell every worker when the users of a ramp are due, in its own clock."""
        for worker in self.workers:
            offset_ns = self._clocks.offset_ns(worker)
            start_ns = None if offset_ns is None else segment.start_ns - offset_ns
            self._send(link.RAMP, {"first_user": segment.first_user, "start_ns": start_ns, "lead_s": lead_s,
                                   "users_per_s": segment.users_per_s, "workers": list(workers)}, worker)  # fmt: skip

    def order(self, order: Mapping[str, Any]) -> None:
        """An order for every worker, its instants in each one's own clock."""
        for worker in self.workers:
            offset_ns = self._clocks.offset_ns(worker) or 0
            own = {
                name: value - offset_ns if name.endswith("_ns") else value for name, value in order.items()
            }
            self._send(link.ORDER, own, worker)

    def note(self, line: Mapping[str, Any]) -> None:
        """A line of the master's own."""
        if self._journal is not None:
            self._journal.write({**line, "worker": "master"})

    def read_clocks(self) -> None:
        """How far each worker's clock is from ours; into the manifest."""
        assert self._books is not None
        self._clocks.measure(self.workers & self._alive())
        workers = self._books.manifest.setdefault("workers", {})
        for worker, readings in self._clocks.words().items():
            workers[worker] = workers.get(worker, {}) | readings
        for worker in sorted(self.workers - workers.keys()):
            self._books.problem(f"worker {worker} did not tell its clock: its times are its own host's")

    def look_for_lost(self, roll: UserTracker, say: Callable[[str], None]) -> None:
        """Strike the users of workers that fell silent off the roll; take those back that speak again."""
        assert self._books is not None
        alive = self._alive()
        for worker in roll.lose(self.workers - alive):
            words = (
                f"worker {worker} was stopped: the turns its users still had to hold are missing"
                if worker in self._ends
                else f"worker {worker} was lost with {len(roll.lost[worker])} users in: "
                "turns it had in flight are not counted"
            )
            self._lost[worker] = (now_ns(), words)
            self._books.problem(words)
        self.fail_if_all_lost()
        self._fail_if_not_begun(alive)
        for worker in roll.find(alive & self._lost.keys()):
            from_ns, words = self._lost.pop(worker)
            self._books.problems.remove(words)
            gap = {"from_ns": from_ns, "to_ns": now_ns()}
            self._books.manifest["workers"].setdefault(worker, {}).setdefault("out_of_touch", []).append(gap)
            say(f"chatload: worker {worker} is back: it sends what it kept meanwhile")

    def fail_if_all_lost(self) -> None:
        """The run has failed when none of its workers is left, and somebody stopped them all is not why."""
        alive = self.workers & self._alive()
        if self._running and not alive and self.workers - self._ends.keys():
            words = f"{len(self.workers)} of {len(self.workers)} workers were lost, with all their users"
            self._supervisor.fail(Cause(words, NOT_WHOLE))

    def _fail_if_not_begun(self, alive: set[str]) -> None:
        """A worker that lives, and has sent no line since it was told of the run, has no part in it."""
        now, silent = now_ns(), (self.workers & alive) - self._lines.keys()
        self._silent_ns = {worker: self._silent_ns.get(worker, now) for worker in sorted(silent)}
        for worker, since_ns in self._silent_ns.items():
            if now - since_ns > BEGIN_S * 1e9:
                words = (
                    f"worker {worker} never began the run: start it with the same locustfile as its master"
                )
                self._supervisor.fail(Cause(words))

    def drain(self, *, at_once: bool = False) -> None:
        """Have every worker stop its users, ship its last lines and its last Locust report.

        `at_once`: the run has failed, and nobody waits for long, nor for those that never began it.
        """
        assert self._books is not None
        self._running = False
        if not at_once:
            self.read_clocks()
        waiting = self._alive() & self.workers
        if at_once:
            waiting &= self._lines.keys()
        for worker in waiting:
            self._send(link.DRAIN, {"at_once": at_once}, worker)
        with gevent.Timeout(FAILED_DRAIN_S if at_once else DRAIN_S + self._stop_timeout_s(), False):
            while waiting - self._drained:
                gevent.sleep(0.02)
        for worker in sorted(waiting - self._drained):
            self._books.problem(f"worker {worker} did not say it was done: its own journal may hold more")
        for worker in sorted(waiting & self._drained):
            self._count(worker, self._books)
        if self._journal is not None:
            self._journal.close()
            self._books.problem(self._journal.problem)

    def _count(self, worker: str, books: RunFolder) -> None:
        """Hold the lines that came from a worker against the number it says it wrote."""
        end, came = self._ends.get(worker), self._lines[worker]
        if end is None:
            books.problem(
                f"worker {worker} never sent its last lines: its own journal may hold more than {came:,}"
            )
        elif came < end["lines"]:
            books.problem(
                f"worker {worker} wrote {end['lines']:,} lines, {came:,} came: its own journal may hold more"
            )
        elif end["copy_lost_lines"]:
            books.caveat(
                f"worker {worker} could not keep {end['copy_lost_lines']:,} lines of its own copy of its journal; "
                "the master has all of them"
            )

    def _alive(self) -> set[str]:
        return {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}

    def _send(self, kind: str, data: Any, worker: str | None = None) -> None:
        self._runner.send_message(kind, data, client_id=worker)

    def _ask_clock(self, worker: str, question: dict[str, Any]) -> None:
        self._send(link.ASK_CLOCK, question, worker)

    def _watched(self, listener: Listener) -> Listener:
        """Locust would log what a listener raises, and go on. Here it ends the run, unless a stranger sent it."""

        def watched(environment: Environment, msg: Any) -> None:
            ours = isinstance(msg.node_id, str) and msg.node_id in self.workers
            with self._supervisor.watching() if ours else suppress(*STRANGE):
                listener(environment, msg)

        return watched

    def _on_failed(self, environment: Environment, msg: Any) -> None:
        """A worker cannot go on. One that was never told of the run knows no run_id."""
        worker, told = msg.node_id, msg.data
        if self._running and worker in self.workers and told["run_id"] in (self._run_id, None):
            words = f"worker {worker}: {told['words']}"
            self._supervisor.fail(Cause(words, told["exit_code"], tuple(told["where"])))

    def _on_clock(self, environment: Environment, msg: Any) -> None:
        self._clocks.heard(msg.node_id, msg.data)

    def _on_drained(self, environment: Environment, msg: Any) -> None:
        if msg.data["run_id"] in (self._run_id, None):  # None: the worker had no part in a run
            self._drained.add(msg.node_id)

    def _on_lines(self, environment: Environment, msg: Any) -> None:
        clock = self._clocks.clock(msg.node_id)
        for raw in self._inbox.take(msg.node_id, msg.data):
            if self._journal is not None:
                self._journal.append(raw)
            line = orjson.loads(raw)
            self._lines[msg.node_id] += 1
            if line["kind"] == "end":
                self._ends[msg.node_id] = line
            elif line["kind"] == "start" and self._books is not None:
                facts = {name: line[name] for name in FACTS if name in line}
                self._books.manifest.setdefault("workers", {}).setdefault(msg.node_id, {}).update(facts)
            self._on_line(clock.shifted(line) if clock else line)
        ack = {"run_id": msg.data["run_id"], "number": msg.data["number"]}
        self._send(link.ACK, ack, msg.node_id)
