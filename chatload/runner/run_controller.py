"""Starts and ends a run: in the one process of a local run, or in the master of a distributed one.

Begin: check the plan, ask the server what it is, take a folder, tell the workers. End: when every user is
gone, or somebody stops the run; then drain the workers, close the folder, judge.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_RUNNING, MasterRunner, Runner

from chatload.engine.api_key import KeyHosts
from chatload.engine.clock import now_ns
from chatload.loads.capacity import CapacityLoad
from chatload.loads.load_shape import Shape
from chatload.loads.plan import Plan, Planned
from chatload.loads.ramp import RampSegment
from chatload.model.errors import UsageError
from chatload.model.journal_lines import JournalLine, ServerLine, UserLine
from chatload.model.turn import Turn
from chatload.runner.capacity_search import CapacitySearch, Judge
from chatload.runner.closing import RunParts, close, stop_users
from chatload.runner.console import Console
from chatload.runner.local_users import crowd_of
from chatload.runner.locust_patches import DispatcherFactory, Ramping, end_forked_workers
from chatload.runner.messages import LevelOrder, Start
from chatload.runner.observer import Observer
from chatload.runner.plans import Plans
from chatload.runner.preflight import Server, Unfit, preflight
from chatload.runner.progress import Progress
from chatload.runner.run_folder import RunFolder
from chatload.runner.server_metrics import metrics_of
from chatload.runner.session import Session, session_of, set_session
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_registry import WorkerRegistry
from chatload.store.manifest import Manifest

LEAVE_S = 3.0
"""How long after a failed run has been closed this process ends, if Locust has not ended it by itself."""
LOCAL_LEAD_S, WORKERS_LEAD_S = 0.1, 1.0
"""How long before the first user is due its dispatch begins: time for the word to get around."""
PROGRESS_S = 2.0
QUIT_S = 1.0
"""How long after its only run has been closed a headless Locust quits, if it has not by itself."""
CLOCKS_S = 60.0
"""How often the workers' clocks are read while the run goes on: they drift."""

Finish = Callable[[Path, Plan], int]
"""Writes the reports of a finished run folder and returns the exit code they call for."""

_log = logging.getLogger("locust.chatload")


class RunController:
    """One per environment, local or master. A web UI may start many runs with it, one after another."""

    def __init__(
        self,
        environment: Environment,
        shape: Shape,
        finish: Finish,
        judge: Judge,
        console: Console,
        *,
        headless: bool,
    ) -> None:
        self._environment = environment
        self._plans = Plans(environment, shape, self._ready)
        self._finish, self._judge = finish, judge
        self._console, self._headless = console, headless
        self._runner: Runner = environment.runner
        self.supervisor: Supervisor = Supervisor(self._fail)
        self._registry: WorkerRegistry | None = None
        if isinstance(self._runner, MasterRunner):
            stop_s = lambda: environment.stop_timeout or 0.0  # noqa: E731 - asked again each time
            self._registry = WorkerRegistry(self._runner, stop_s, self._on_line, self.supervisor)
        self._parts: RunParts | None = None
        self._shown: RunParts | None = None
        self._start: Start | None = None
        self._starter: object = None
        self._closing: gevent.Greenlet | None = None
        self.plan: Plan | None = None
        self.exit_code: int | None = None
        self.progress: Progress | None = None
        self.refusal: tuple[str, ...] = ()
        self.observer: Observer | None = None
        self.tracker = UserTracker()
        self.key_hosts = KeyHosts(environment.host, environment.parsed_options.host)
        ramping = Ramping(self._on_ramp, self._is_even, self._workers, self._on_late)
        environment.dispatcher_class = DispatcherFactory(ramping, lambda: self._start is not None)
        environment.events.test_start.add_listener(lambda **_: self._on_test_start())
        environment.events.test_stop.add_listener(lambda **_: self._on_test_stop())

    @property
    def manifest(self) -> Manifest:
        """The manifest of the run that goes on, or of the last one; an empty one before the first."""
        return self._shown.folder.manifest if self._shown is not None else Manifest()

    @property
    def folder(self) -> Path | None:
        """The folder of the run that goes on, or of the last one."""
        return self._shown.folder.folder if self._shown is not None else None

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """The plan these values would make; UsageError with every mistake."""
        return self._plans.of(values).plan

    def check(self) -> Plan:
        """The plan as the options stand now; UsageError with every mistake."""
        return self._plans.check(headless=self._headless)

    # -- begin ---------------------------------------------------------------------------------------

    def _on_test_start(self) -> None:
        self._parts = None
        if self.supervisor.cause is None:  # a listener of the locustfile may have raised
            with self.supervisor.watching():
                self._begin()

    def _on_test_stop(self) -> None:
        if self._registry is not None:  # Locust stops a run whose last worker is gone
            self._registry.fail_if_all_lost()
        self.end("interrupted")
        self.supervisor.done()

    def _begin(self) -> None:
        self.tracker, self._starter = UserTracker(), gevent.getcurrent()
        self.plan, self.exit_code, self.refusal, self._closing = None, None, (), None
        try:
            planned = self._plans.of(self._plans.run_values())
            plan = planned.plan
            self._key = self.key_hosts.key_for(plan.host)
            folder = RunFolder(planned, self._console.say, numbered=not self._headless)
        except UsageError as error:
            self._refuse(error.lines, 2)
            return
        self.plan, self._parts = plan, RunParts(folder)
        self._shown = self._parts
        if self.observer is not None:
            self.observer.begin(folder.manifest.run_id, folder.manifest.started_ns or 0)
        try:
            withheld = self.key_hosts.withheld_words(plan.host)
            server = preflight(plan, self._key, withheld)
        except Unfit as error:
            folder.refused(str(error))
            self._refuse([str(error)], 1)
            self.exit_code = folder.close("unreachable", self._judged, least=1)
            return
        except gevent.GreenletExit:  # somebody pressed stop, or start again, meanwhile
            if self.supervisor.cause is not None:
                raise
            words = "stopped while the server was asked what it is"
            folder.refused(words)
            self._console.say_last(f"chatload: {words}")
            self.exit_code = folder.close("unreachable", self._judged, least=1)
            raise
        folder.met(plan, server)
        if withheld:
            folder.caveat(f"{plan.host}: {withheld}")
        self._start_all(planned, server, self._parts)

    def _start_all(self, planned: Planned, server: Server, parts: RunParts) -> None:
        plan, folder = planned.plan, parts.folder
        self._start = Start(
            run_id=folder.manifest.run_id,
            folder=str(folder.folder.resolve()),
            dialect=server.dialect.name,
            model=server.model,
            planned=Planned(plan, planned.inputs),
            send_key=self.key_hosts.may_have_key(plan.host),
        )
        folder.manifest.run_time_s = self._plans.run_values().get("run_time")
        self.progress = Progress(plan.load.turns_planned)
        if self._registry is not None:
            parts.registry = self._registry
            self._registry.begin(self._start, folder)
        else:
            session = Session(self._environment, self._start, "local", lambda _, line: self._on_line(line))
            set_session(self._environment, session)
        parts.metrics = metrics_of(plan, self._note, self._key)
        parts.helpers.append(gevent.spawn(self._watch))
        if isinstance(plan.load, CapacityLoad):
            say = lambda words: self._console.say(f"chatload: {words}")  # noqa: E731 - one place, one line
            parts.search = CapacitySearch(plan, self._judge, self._order, say)
            parts.helpers.append(gevent.spawn(parts.search.run))

    def _refuse(self, lines: Sequence[str], code: int) -> None:
        if self._headless:
            for line in lines:
                self._console.say_last(f"chatload: {line}")
        else:
            self.turn_away(lines)
        self.exit_code = code
        gevent.spawn(self._runner.quit if self._headless else self._runner.stop)

    def _tell_failure(self, cause: Cause) -> None:
        words = f"the run failed: {cause.words}"
        if self._headless:
            self._console.say_last(f"chatload: {words}")
        else:
            _log.error(words)
        if self._parts is not None:
            self._parts.folder.failed(cause)
        elif not self._headless:
            self.refusal = (cause.words,)

    def turn_away(self, lines: Sequence[str]) -> None:
        """Say on the page and in Locust's log why a run does not start."""
        self.refusal = tuple(lines)
        for line in lines:
            _log.error(line)

    # -- while it runs -------------------------------------------------------------------------------

    def _is_even(self) -> bool:
        return self.plan is not None and self.plan.load.ramp == "even"

    def _on_ramp(self, first_user: int, users_per_s: float, workers: Sequence[str]) -> None:
        """The dispatcher begins a ramp: fix when each of its users is due."""
        if self._parts is None:
            return
        self._starter = gevent.getcurrent()
        lead_s = WORKERS_LEAD_S if self._registry is not None else LOCAL_LEAD_S
        segment = RampSegment(first_user, now_ns() + round(lead_s * 1e9), users_per_s)
        self._parts.folder.ramp(segment)
        self.tracker.dealt(workers)
        session = session_of(self._environment)
        if session is not None:
            session.ramp(segment)
        elif self._registry is not None:
            self._registry.ramp(segment, lead_s, workers)

    def _ready(self) -> int | None:
        return self._registry.ready if self._registry is not None else None

    def _workers(self) -> set[str]:
        return self._registry.workers if self._registry is not None else set()

    def _on_late(self, worker: str) -> None:
        if self._start and self._parts:
            self._parts.folder.came_late(worker)

    def _note(self, line: ServerLine) -> None:
        """A line of this process's own: what the server says of itself."""
        session = session_of(self._environment)
        if session is not None:
            session.emit(line)
        elif self._registry is not None:
            self._registry.note(line)

    def _order(self, order: LevelOrder) -> None:
        """A level of a capacity search, for every process."""
        session = session_of(self._environment)
        if session is not None:
            session.levels.put(order)
        elif self._registry is not None:
            self._registry.order(order)

    def _on_line(self, line: JournalLine) -> None:
        progress, parts = self.progress, self._parts
        if progress is None or parts is None:
            return
        for listener in (self.observer, parts.search):
            if listener is not None:
                listener.hear(line)
        if isinstance(line, Turn):
            parts.folder.turns += 1
            progress.add(line)
        elif isinstance(line, UserLine):
            self.tracker.note(line)
            progress.users = self.tracker.present

    def _watch(self) -> None:
        """End the run when every user is gone; tell how it goes meanwhile."""
        looks = 0
        while True:
            gevent.sleep(0.1)
            looks += 1
            if self._headless and self.progress is not None and looks % round(PROGRESS_S / 0.1) == 0:
                self._console.say(self.progress.line())
            if self._registry is not None:
                self._registry.look_for_lost(self.tracker, self._console.say)
                if looks % round(CLOCKS_S / 0.1) == 0:
                    gevent.spawn(self._registry.read_clocks)
            if self._is_over():
                self.end("done")
                self._stop_locust()
                return

    def _is_over(self) -> bool:
        """True when every user is gone; a run in which no user can act any more, and some never were, has failed."""
        gone = self.tracker.all_gone(self._runner.target_user_count)
        if self._registry is not None:
            return gone
        if self._runner.state != STATE_RUNNING:
            return False
        crowd = crowd_of(self._runner)
        if not gone and crowd.is_over and crowd.vanished:
            self.supervisor.fail(Cause(crowd.words))
        return gone or (crowd.is_over and not crowd.vanished)

    def _stop_locust(self) -> None:
        """Have Locust stop its users; and end, where nobody is at a page to start another run."""
        if self._headless:
            self._runner.quit()
        else:
            self._runner.stop()

    # -- end -----------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """Close the run; the first call decides the reason, every call returns when it is closed.

        It is closed by a greenlet of its own: Locust kills its own ones when it quits, such as the one that heard
        that the last worker is gone. A run whose closing fails ends with exit code 2.
        """
        never_began = reason == "failed" and self._closing is None and self.exit_code is None
        if (self._start is not None or never_began) and self._parts is not None:
            self._start = None
            self._closing = gevent.spawn(self._close, reason, self._parts, gevent.getcurrent())
        if self._closing is not None:
            self._closing.join()
            if (
                self._headless
            ):  # Locust stops a run whose last worker has gone missing, and then waits for ever
                gevent.spawn_later(QUIT_S, self._runner.quit)
            if not self._closing.successful():
                self.exit_code = 2

    def _close(self, reason: str, parts: RunParts, caller: gevent.Greenlet) -> None:
        how = (reason, self._judged)
        self.exit_code = close(parts, self._environment, self.supervisor, how, caller)

    def _judged(self, folder: Path) -> int:
        assert self.plan is not None
        return self._finish(folder, self.plan)

    def _fail(self, cause: Cause) -> None:
        """Something went wrong: end the run with what it has measured so far."""
        self._tell_failure(cause)
        stop_users(self._runner, self._starter)
        self.end("failed")
        self.exit_code = cause.exit_code
        if self._headless:
            gevent.spawn_later(LEAVE_S, self._leave)
        self._stop_locust()

    def _leave(self) -> None:
        """End the process: a user that does not stop keeps Locust from it."""
        self._console.end()
        end_forked_workers()
        os._exit(self.exit_code or 0)
