"""The processes that hold a run's users, and the one of a local run: this one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from chatload.engine.clock import Clock
from chatload.loads.load_shape import Load
from chatload.loads.ramp import RampSegment
from chatload.model.journal_lines import JournalLine
from chatload.runner.locust_interface import ThisProcess
from chatload.runner.messages import LevelOrder, Start
from chatload.runner.run_folder import RunFolder
from chatload.runner.session import Session
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.user_tracker import UserTracker

OnLine = Callable[[JournalLine], None]


class UserProcesses(Protocol):
    """The processes that hold a run's users: this one, or the workers (worker_registry.py)."""

    lead_s: float
    """How long before the first user is due its dispatch begins: time for the message to get there."""

    @property
    def ready(self) -> int | None:
        """How many workers could take part; None where this process has the users itself."""

    @property
    def workers(self) -> Collection[str]:
        """The workers that were told of the run."""

    def begin(self, start: Start, folder: RunFolder) -> None:
        """Have every process begin the run."""

    def ramp(self, segment: RampSegment, workers: Sequence[str]) -> None:
        """Tell every process when the users of a ramp are due."""

    def note(self, line: JournalLine) -> None:
        """Write a line of this process's own into its journal."""

    def order(self, order: LevelOrder) -> None:
        """A level of a capacity search, for every process."""

    def is_over(self, tracker: UserTracker) -> bool:
        """True when every user is gone. Ends the run where users that must come or act cannot."""

    def fail_if_all_lost(self) -> None:
        """The run has failed when none of its processes is left, and nobody stopped them."""

    def drain(self, *, at_once: bool) -> None:
        """Have every worker stop its users and send its last lines. `at_once`: the run has failed, do not wait long."""

    def close(self, reason: str) -> None:
        """Close this process's own journal; its users must be gone."""


def expected_users(process: ThisProcess, load: Load, workers: Sequence[str]) -> dict[str, int]:
    """How many users of each worker the run waits for: those who have a number of turns to hold."""
    return {
        worker: sum(users for name, users in each.items() if not load.is_endless(name))
        for worker, each in process.users_of(workers).items()
    }


class OwnProcess:
    """Holds the users of a local run."""

    lead_s = 0.05
    ready = None
    workers: Collection[str] = ()

    def __init__(self, process: ThisProcess, on_line: OnLine, supervisor: Supervisor, clock: Clock) -> None:
        self._process, self._on_line = process, on_line
        self._supervisor, self._clock = supervisor, clock
        self._folder: RunFolder | None = None
        self._load = Load()

    def begin(self, start: Start, folder: RunFolder) -> None:
        """Make the session that users join."""
        self._folder, self._load = folder, start.planned.plan.load
        self._process.session = Session(
            start, "local", lambda _, line: self._on_line(line), self._process.report_request, self._clock
        )

    def ramp(self, segment: RampSegment, workers: Sequence[str]) -> None:
        """Tell the session."""
        if self._process.session is not None:
            self._process.session.ramp(segment)

    def note(self, line: JournalLine) -> None:
        """Into the one journal."""
        if self._process.session is not None:
            self._process.session.emit(line)

    def order(self, order: LevelOrder) -> None:
        """For this process's users."""
        if self._process.session is not None:
            self._process.session.levels.put(order)

    def is_over(self, tracker: UserTracker) -> bool:
        """A run in which no user can act any more, and some never came, has failed."""
        if self._load.follows_user_curve:
            return False
        gone = tracker.all_gone(expected_users(self._process, self._load, tracker.order))
        if not self._process.is_running:
            return False
        users = self._process.local_users()
        if not gone and users.is_over and users.vanished:
            self._supervisor.fail(Cause(users.words))
        return gone or (users.is_over and not users.vanished)

    def fail_if_all_lost(self) -> None:
        """This process is here."""

    def drain(self, *, at_once: bool) -> None:
        """There are no workers."""

    def close(self, reason: str) -> None:
        """Close the session."""
        session, self._process.session = self._process.session, None
        if session is not None and self._folder is not None:
            session.close(reason)
            self._folder.problem(session.journal.problem)
