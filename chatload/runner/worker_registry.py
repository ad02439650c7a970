"""The workers of a run, as the master sees them: what it tells them, what they send, and which of them were lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import gevent
import msgspec

from chatload.engine.clock import CLOCK, Clock
from chatload.loads.load_shape import Load
from chatload.loads.ramp import RampSegment
from chatload.model.errors import UsageError
from chatload.model.hosts import TimeSpan
from chatload.model.journal_lines import EndLine, JournalLine, StartLine, decode
from chatload.runner import messages
from chatload.runner.locust_interface import ThisProcess, Workers
from chatload.runner.messages import LevelOrder, Start
from chatload.runner.own_process import OnLine, expected_users
from chatload.runner.run_folder import RunFolder
from chatload.runner.supervisor import NOT_WHOLE, Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_clocks import WorkerClocks
from chatload.store.clocks import shifted
from chatload.store.journal import JournalWriter
from chatload.store.manifest import WorkerFacts

DRAIN_S, FAILED_DRAIN_S = 10.0, 2.0
BEGIN_S = 4.0
"""How long a worker that lives may take to say that it has begun: it does so within half a second."""
BEGUN_S = 1.0
"""How long the first users wait for workers that have not said so yet."""
LEAST_LEAD_S, MOST_LEAD_S, LEAD = 0.2, 1.0, 3.0
"""The lead of a ramp: so many times as long as the workers took to begin, within these limits."""
CLOCKS_S = 60.0
"""How often the workers' clocks are read while the run goes on: they drift."""


class WorkerRegistry:
    """One per master: the `UserProcesses` of a distributed run. Each batch of the workers' journal lines is written
    down, acknowledged, and handed to `on_line`, its instants in the master's clock."""

    def __init__(
        self,
        process: ThisProcess,
        workers: Workers,
        on_line: OnLine,
        supervisor: Supervisor,
        clock: Clock = CLOCK,
    ) -> None:
        self._process, self._workers = process, workers
        self._on_line, self._supervisor, self._clock = on_line, supervisor, clock
        self._folder: RunFolder | None = None
        self._load = Load()
        self._journal: JournalWriter | None = None
        self._run_id, self._running = "", False
        self._silent_ns: dict[str, int] = {}
        self._inbox = messages.Inbox("")
        self._clocks = self._new_clocks()
        self._clocks_read_ns = 0
        self.lead_s = MOST_LEAD_S
        self._drained: set[str] = set()
        self._lost: dict[str, tuple[int, str]] = {}
        self._lines: Counter[str] = Counter()
        self._ends: dict[str, EndLine] = {}
        self.workers: set[str] = set()
        for kind, listener in (
            (messages.LINES, self._on_lines),
            (messages.DRAINED, self._on_drained),
            (messages.TELL_CLOCK, self._on_clock),
            (messages.FAILED, self._on_failed),
        ):
            workers.listen(kind, self._watched(listener))

    @property
    def ready(self) -> int:
        """Workers that could take part."""
        return len(self._workers.ready())

    def begin(self, start: Start, folder: RunFolder) -> None:
        """Read the workers' clocks, tell each that a run begins, and wait until they say that it has."""
        self._load = start.planned.plan.load
        self._folder, self._journal = folder, JournalWriter(folder.folder / "journal-master.jsonl")
        if self._journal.problem is not None:
            raise UsageError([f"{folder.folder}: {self._journal.problem}"])
        self._run_id, self._running = start.run_id, True
        self._inbox, self._clocks = messages.Inbox(start.run_id), self._new_clocks()
        self._drained, self._lost, self._silent_ns = set(), {}, {}
        self._lines, self._ends = Counter(), {}
        self.workers = self._workers.ready()
        self.read_clocks()
        if not self._running:  # stopped meanwhile
            return
        folder.write("running")
        told_ns = self._clock.now_ns()
        for worker in self.workers:
            own = msgspec.structs.replace(start, clock_offset_ns=self._clocks.offset_ns(worker))
            data = {"run_id": start.run_id, "start": messages.packed(own)}
            self._workers.send(worker, messages.START, data)
        self._clock.wait_for(lambda: not self._running or not self._silent(), BEGUN_S)
        took_s = (self._clock.now_ns() - told_ns) / 1e9
        self.lead_s = min(MOST_LEAD_S, max(LEAST_LEAD_S, LEAD * took_s))

    def ramp(self, segment: RampSegment, workers: Sequence[str]) -> None:
        """Tell every worker when the users of a ramp are due, in its own clock."""
        before, counted = dict[str, int](), 0
        for worker, each in self._process.users_of(workers).items():
            before[worker], counted = counted, counted + sum(each.values())
        for worker in self.workers:
            offset_ns = self._clocks.offset_ns(worker)
            data = {
                "first_user": segment.first_user,
                "start_ns": None if offset_ns is None else segment.start_ns - offset_ns,
                "lead_s": self.lead_s,
                "users_per_s": segment.users_per_s,
                "workers": list(workers),
                "before": before.get(worker, 0),
            }
            self._workers.send(worker, messages.RAMP, data)

    def order(self, order: LevelOrder) -> None:
        """A level of a capacity search for every worker, its instants in each one's own clock."""
        for worker in self.workers:
            offset_ns = self._clocks.offset_ns(worker) or 0
            own = msgspec.structs.replace(
                order, start_ns=order.start_ns - offset_ns, end_ns=order.end_ns - offset_ns
            )
            self._workers.send(worker, messages.LEVEL, messages.packed(own))

    def note(self, line: JournalLine) -> None:
        """A line of the master's own."""
        if self._journal is not None:
            self._journal.write(msgspec.structs.replace(line, worker="master"))

    def read_clocks(self) -> None:
        """How far each worker's clock is from ours; into the manifest."""
        assert self._folder is not None
        self._clocks_read_ns = self._clock.now_ns()
        self._clocks.measure(self.workers & self._workers.alive())
        for worker, readings in self._clocks.readings().items():
            self._facts_of(worker).clock = list(readings)
        for worker in sorted(self.workers - self._clocks.readings().keys()):
            self._folder.problem(f"worker {worker} did not tell its clock: its times are its own host's")

    def _new_clocks(self) -> WorkerClocks:
        send = self._workers.send
        return WorkerClocks(lambda worker, data: send(worker, messages.ASK_CLOCK, data), self._clock)

    def _facts_of(self, worker: str) -> WorkerFacts:
        assert self._folder is not None
        return self._folder.manifest.workers.setdefault(worker, WorkerFacts())

    # -- who is left ---------------------------------------------------------------------------------

    def is_over(self, tracker: UserTracker) -> bool:
        """True when every user is gone. Users of lost workers are left out, and counted again when they are back."""
        assert self._folder is not None
        alive = self._workers.alive()
        for worker in tracker.lose(self.workers - alive):
            words = (
                f"worker {worker} was stopped: the turns its users still had to hold are missing"
                if worker in self._ends
                else f"worker {worker} was lost with {len(tracker.lost[worker])} users in: "
                "turns it had in flight are not counted"
            )
            self._lost[worker] = (self._clock.now_ns(), words)
            self._folder.problem(words)
        self.fail_if_all_lost()
        self._fail_if_not_begun()
        for worker in tracker.find(alive & self._lost.keys()):
            from_ns, words = self._lost.pop(worker)
            self._folder.problems.remove(words)
            span = TimeSpan(from_ns=from_ns, to_ns=self._clock.now_ns())
            self._facts_of(worker).out_of_touch.append(span)
            self._folder.say(f"chatload: worker {worker} is back: it sends what it kept meanwhile")
        if self._clock.now_ns() - self._clocks_read_ns >= CLOCKS_S * 1e9:
            self._clocks_read_ns = self._clock.now_ns()
            gevent.spawn(self.read_clocks)
        return not self._load.follows_user_curve and tracker.all_gone(
            expected_users(self._process, self._load, tracker.order)
        )

    def fail_if_all_lost(self) -> None:
        """The run has failed when none of its workers is left, and somebody stopped them all is not why."""
        alive = self.workers & self._workers.alive()
        if self._running and not alive and (not self.workers or self.workers - self._ends.keys()):
            words = f"{len(self.workers)} of {len(self.workers)} workers were lost, with all their users"
            words = words if self.workers else "no worker was left when the run began"
            self._supervisor.fail(Cause(words, NOT_WHOLE))

    def _silent(self) -> set[str]:
        """Workers that live and have sent no line since they were told of the run."""
        return (self.workers & self._workers.alive()) - self._lines.keys()

    def _fail_if_not_begun(self) -> None:
        """A worker that lives, and has sent no line since it was told of the run, has no part in it."""
        now = self._clock.now_ns()
        self._silent_ns = {worker: self._silent_ns.get(worker, now) for worker in sorted(self._silent())}
        for worker, since_ns in self._silent_ns.items():
            if now - since_ns > BEGIN_S * 1e9:
                words = (
                    f"worker {worker} never began the run: start it with the same locustfile as its master, and look "
                    "whether its process ended"
                )
                self._supervisor.fail(Cause(words))

    # -- end -----------------------------------------------------------------------------------------

    def drain(self, *, at_once: bool) -> None:
        """Have every worker stop its users, send its last lines and its last Locust report.

        `at_once`: the run has failed, and nobody waits for long, nor for those that never began it.
        """
        assert self._folder is not None
        self._running = False
        if not at_once:
            self.read_clocks()
        waiting = self._workers.alive() & self.workers
        if at_once:
            waiting &= self._lines.keys()
        for worker in waiting:
            self._workers.send(worker, messages.DRAIN, {"at_once": at_once})
        limit_s = FAILED_DRAIN_S if at_once else DRAIN_S + self._process.stop_timeout_s
        self._clock.wait_for(lambda: waiting & self._workers.alive() <= self._drained, limit_s)
        for worker in sorted(waiting - self._drained):
            self._folder.problem(f"worker {worker} did not say it was done: its own journal may hold more")
        for worker in sorted(waiting & self._drained):
            self._count(worker, self._folder)

    def close(self, reason: str) -> None:
        """Close the master's journal."""
        if self._journal is not None and self._folder is not None:
            self._journal.close()
            self._folder.problem(self._journal.problem)

    def _count(self, worker: str, folder: RunFolder) -> None:
        """Compare the lines that came from a worker with the number it says it wrote."""
        end, came = self._ends.get(worker), self._lines[worker]
        if end is None:
            folder.problem(
                f"worker {worker} never sent its last lines: its own journal may hold more than {came:,}"
            )
        elif end.lines is not None and came < end.lines:
            folder.problem(
                f"worker {worker} wrote {end.lines:,} lines, {came:,} came: its own journal may hold more"
            )
        elif end.copy_lost_lines:
            folder.warn(
                f"worker {worker} could not keep {end.copy_lost_lines:,} lines of its own copy of its journal; "
                "the master has all of them"
            )

    # -- messages of workers -------------------------------------------------------------------------

    def _watched(self, listener: Callable[[str, Any], None]) -> Callable[[object, Any], None]:
        """Locust would log what a listener raises, and go on. Here it ends the run, unless a stranger sent it."""

        def watched(sender: object, data: Any) -> None:
            ours = isinstance(sender, str) and sender in self.workers
            with self._supervisor.watching() if ours else suppress(*messages.STRANGE):
                listener(str(sender), data)

        return watched

    def _on_failed(self, worker: str, data: Any) -> None:
        """A worker cannot go on. One that was never told of the run knows no run_id."""
        if self._running and worker in self.workers and data["run_id"] in (self._run_id, None):
            words = f"worker {worker}: {data['words']}"
            self._supervisor.fail(Cause(words, data["exit_code"], tuple(data["where"])))

    def _on_clock(self, worker: str, data: Any) -> None:
        self._clocks.on_answer(worker, data)

    def _on_drained(self, worker: str, data: Any) -> None:
        if data["run_id"] in (self._run_id, None):  # None: the worker had no part in a run
            self._drained.add(worker)

    def _on_lines(self, worker: str, data: Any) -> None:
        clock = self._clocks.clock(worker)
        for raw in self._inbox.take(worker, data):
            if self._journal is not None:
                self._journal.append(raw)
            self._lines[worker] += 1
            line = decode(raw)
            if line is None:
                continue
            if isinstance(line, EndLine):
                self._ends[worker] = line
            elif isinstance(line, StartLine):
                facts = self._facts_of(worker)
                facts.machine, facts.versions = line.machine, line.versions
                facts.certificate = line.certificate
            self._on_line(shifted(line, clock) if clock else line)
        self._workers.send(worker, messages.ACK, {"run_id": data["run_id"], "number": data["number"]})
