"""Locust as the logic of a run sees it (chatload/runner/locust_interface.py), and what else a run controller calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chatload.model.journal_lines import JournalLine, ServerLine
from chatload.options.progress_option import ProgressDisplay
from chatload.protocols.registry import DIALECTS
from chatload.protocols.server_kind import DetectedServer
from chatload.runner.console import Lines
from chatload.runner.local_users import LocalUsers
from chatload.runner.preflight import Server
from chatload.runner.session import Session

HOST = "http://127.0.0.1:1"
SERVER = Server(DIALECTS["openai"], "m", DetectedServer("vLLM", "1", "openai", "m", "vLLM 1", "GET /version"))


class FakeConsole:
    """What is said at once and at last."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.last: list[str] = []
        self.ended = False

    def say(self, line: str) -> None:
        self.said.append(line)

    def say_last(self, line: str) -> None:
        self.last.append(line)

    def teller(self, telling: ProgressDisplay) -> Lines | None:
        return None if telling.off else Lines(self.say, telling.every_s)

    def end(self) -> None:
        self.ended = True


class FakeMetrics:
    """Says one line when it is stopped."""

    def __init__(self, emit: Callable[[ServerLine], None]) -> None:
        self._emit = emit

    def stop(self) -> None:
        self._emit(ServerLine(at_ns=1, running=0.0))


class FakeObserver:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.lines: list[JournalLine] = []

    def begin(self, run_id: str, at_ns: int) -> None:
        self.runs.append(run_id)

    def on_line(self, line: JournalLine) -> None:
        self.lines.append(line)


class FakeProcess:
    """Notes what it is asked to do in `calls`, and the requests that are reported in `requests`."""

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {"host": HOST, "num_users": 1, "spawn_rate": 1, **options}
        self.session: Session | None = None
        self.given_hosts: tuple[str | None, ...] = (HOST,)
        self.target_users = int(self.options["num_users"])
        self.users_per_s: float | None = None
        self.is_running = True
        self.stop_timeout_s = 0.0
        self.classes: dict[str, int] = {}
        self.is_ended_by_shape = False
        self.users = LocalUsers(wanted=self.target_users, living=self.target_users, acting=1, spawning=False)
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.on_stop: Callable[[], None] = lambda: None
        self.on_kill: Callable[[], None] = lambda: None

    def option_values(self) -> dict[str, Any]:
        return dict(self.options)

    def local_users(self) -> LocalUsers:
        return self.users

    def users_of(self, workers: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        if self.classes:
            return {workers[0]: self.classes}
        each = len(workers)
        return {
            name: {"ChatUser": len(range(place, self.target_users, each))}
            for place, name in enumerate(workers)
        }

    def report_request(self, **facts: Any) -> None:
        self.requests.append(facts)

    def stop(self) -> None:
        self.calls.append("stop")
        self.on_stop()

    def quit(self) -> None:
        self.calls.append("quit")
        self.on_stop()

    def kill_users(self, spawner: object, limit_s: float) -> None:
        self.calls.append("kill users")
        self.on_kill()

    def leave(self, exit_code: int) -> None:
        self.calls.append(f"leave {exit_code}")


class FakeWorkers:
    """Workers by name, each with Locust's word for its state. `sent` are the messages: (worker, kind, data)."""

    def __init__(self, **states: str) -> None:
        self.states = dict(states)
        self.sent: list[tuple[str, str, Any]] = []
        self.on_send: Callable[[str, str, Any], None] = lambda worker, kind, data: None
        self._listeners: dict[str, Callable[[object, Any], None]] = {}

    def ready(self) -> set[str]:
        return {worker for worker, state in self.states.items() if state == "ready"}

    def alive(self) -> set[str]:
        return {worker for worker, state in self.states.items() if state != "missing"}

    def send(self, worker: str, kind: str, data: Any) -> None:
        self.sent.append((worker, kind, data))
        self.on_send(worker, kind, data)

    def listen(self, kind: str, listener: Callable[[object, Any], None]) -> None:
        self._listeners[kind] = listener

    def says(self, worker: object, kind: str, data: Any) -> None:
        """A message of a worker, or of a stranger, has come."""
        self._listeners[kind](worker, data)

    def sent_to(self, worker: str, kind: str) -> list[Any]:
        """The data of the messages of a kind that one worker was sent."""
        return [data for name, what, data in self.sent if (name, what) == (worker, kind)]


class FakeMaster:
    """The master of a worker. `sent` are the messages: (kind, data)."""

    def __init__(self, worker: str = "w1", *, has_same_terminal: bool = False) -> None:
        self.worker, self.has_same_terminal = worker, has_same_terminal
        self.sent: list[tuple[str, Any]] = []
        self.on_send: Callable[[str, Any], None] = lambda kind, data: None
        self.concurrent: set[str] = set()
        self._listeners: dict[str, Callable[[Any], None]] = {}

    def send(self, kind: str, data: Any) -> None:
        self.sent.append((kind, data))
        self.on_send(kind, data)

    def listen(self, kind: str, listener: Callable[[Any], None], *, concurrent: bool = False) -> None:
        self._listeners[kind] = listener
        if concurrent:
            self.concurrent.add(kind)

    def send_last_stats(self) -> None:
        self.sent.append(("stats", None))

    def says(self, kind: str, data: Any) -> None:
        """A message of the master has come."""
        self._listeners[kind](data)
