"""One run in the process that starts and ends it: its parts, from its folder on until that is closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent

from chatload.engine.clock import Clock
from chatload.loads.plan import Plan
from chatload.loads.ramp import RampSegment
from chatload.model.journal_lines import HealthLine, JournalLine, UserLine
from chatload.model.turn import Turn
from chatload.runner.capacity_search import CapacitySearch, Judge
from chatload.runner.console import Console, Teller
from chatload.runner.messages import Start
from chatload.runner.own_process import UserProcesses
from chatload.runner.progress import Progress
from chatload.runner.refused_turns import RefusedTurns
from chatload.runner.run_folder import RunFolder
from chatload.runner.server_metrics import PowerMetrics, ServerMetrics
from chatload.runner.simulator_lateness import SimulatorLateness
from chatload.runner.supervisor import Supervisor
from chatload.runner.user_tracker import UserTracker

LOOK_S = 0.1


class Run:
    """One run. `processes` hold its users; every step of its end is taken, whatever happens to the others."""

    def __init__(self, plan: Plan, folder: RunFolder, processes: UserProcesses, clock: Clock) -> None:
        self.plan, self.folder = plan, folder
        self.has_begun = False
        self.tracker = UserTracker()
        self.metrics: list[ServerMetrics] = []
        self.power: PowerMetrics | None = None
        self.simulators: list[SimulatorLateness] = []
        self._processes, self._clock = processes, clock
        self._progress = Progress(plan.load.turns_planned, clock)
        self._progress.users = 0 if plan.load.own_users else None
        self._search: CapacitySearch | None = None
        self._refused = RefusedTurns(plan.load.turns_planned)
        self._greenlets: list[gevent.Greenlet] = []

    def begin(self, start: Start) -> None:
        """Have the processes begin; users may come in from here on."""
        self.has_begun = True
        self._processes.begin(start, self.folder)

    def search(self, judge: Judge, console: Console) -> None:
        """Begin a capacity search, where the plan is one."""
        if self.plan.load.by_level:
            say = lambda words: console.say(f"chatload: {words}")  # noqa: E731 - one place, one line
            self._search = CapacitySearch(self.plan, judge, self._processes.order, say, self._clock)
            self.spawn(self._search.run)

    @property
    def level(self) -> str:
        """What a capacity search measures now, in words; empty for every other run."""
        return self._search.progress if self._search is not None else ""

    def spawn(self, work: Callable[[], None]) -> None:
        """Have something done while the run goes on."""
        self._greenlets.append(gevent.spawn(work))

    def ramp(self, first_user: int, users_per_s: float, workers: list[str], target: int) -> None:
        """A ramp to `target` users begins: fix when each of its users is due. A second one is an edit, or a shape's."""
        if self.folder.manifest.ramps and not self.plan.load.follows_user_curve:
            self.folder.edited(target)
        start_ns = self._clock.now_ns() + round(self._processes.lead_s * 1e9)
        segment = RampSegment(first_user, start_ns, users_per_s)
        self.folder.ramp(segment)
        self.tracker.assigned(workers)
        self._processes.ramp(segment, workers)

    def on_line(self, line: JournalLine) -> None:
        """Take a journal line of any process in."""
        if self._search is not None:
            self._search.on_line(line)
        if isinstance(line, Turn):
            self.folder.turns += 1
            self._refused.note(line)
            self._progress.add(line)
        elif isinstance(line, HealthLine):
            self._progress.add_health(line)
        elif isinstance(line, UserLine):
            self.tracker.note(line)
            self._progress.users = self.tracker.present if self.plan.load.own_users else None

    @property
    def mistake(self) -> str:
        """Why the run is to end at once, in words: its turns are all refused as wrong requests; else empty."""
        return self._refused.words

    def watch(self, teller: Teller | None) -> None:
        """Return when every user is gone; tell the progress meanwhile."""
        self._progress.run_time_s = self.folder.manifest.run_time_s
        told_ns = self._clock.now_ns()
        try:
            while True:
                self._clock.sleep(LOOK_S)
                now_ns = self._clock.now_ns()
                if teller is not None and now_ns - told_ns >= teller.every_s * 1e9:
                    told_ns = now_ns
                    teller.tell(self._progress, self.level)
                if self._processes.is_over(self.tracker):
                    return
        finally:
            if teller is not None:
                teller.end()

    def close(self, reason: str, supervisor: Supervisor, judge: Callable[[Path], int], caller: object) -> int:
        """End every part, write the reports by `judge`, and return the exit code.

        `caller` asked for it, and may be a greenlet of the run that has more to do.
        """
        with supervisor.watching():
            self._processes.drain(at_once=reason == "failed")
        for metrics in self.metrics:
            with supervisor.watching():
                metrics.stop()
        with supervisor.watching():
            if self.power is not None:
                self.power.stop()
        for simulator in self.simulators:
            with supervisor.watching():
                if words := simulator.doubt():
                    self.folder.warn(words)
        with supervisor.watching():
            self._processes.close(reason)
        if self._search is not None:
            self.folder.manifest.capacity = self._search.facts
        for greenlet in self._greenlets:
            if greenlet is not caller:
                greenlet.kill(block=False)
        if supervisor.cause is not None:
            self.folder.failed(supervisor.cause)
        return self.folder.close(reason, judge)
