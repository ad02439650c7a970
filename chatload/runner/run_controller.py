"""Starts and ends a run: in the one process of a local run, or in the master of a distributed one.

Begin: check the plan, ask the server what it is, open the books, tell the workers. End: when every user is
gone, or somebody stops the run; then drain the workers, close the books, judge.
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
from chatload.loads.planning import Plan, Planner
from chatload.loads.ramp import RampSegment
from chatload.loads.shapes import CapacityLoad
from chatload.model.errors import UsageError
from chatload.model.turn import Turn
from chatload.runner.capacity_user import CapacitySearch, Judge
from chatload.runner.closing import RunParts, close, stop_users
from chatload.runner.console import Console
from chatload.runner.local_users import crowd_of
from chatload.runner.locust_patches import DispatcherFactory, Ramping, end_forked_workers
from chatload.runner.observer import Observer
from chatload.runner.plans import Plans
from chatload.runner.preflight import Server, Unfit, preflight
from chatload.runner.progress import Progress
from chatload.runner.run_folder import RunFolder
from chatload.runner.server_metrics import metrics_of
from chatload.runner.session import Session, Start, session_of, set_session
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_registry import WorkerRegistry
from chatload.store.turn_record import from_line

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
        planner: Planner,
        servers: tuple[str, ...],
        finish: Finish,
        judge: Judge,
        voice: Console,
        *,
        headless: bool,
    ) -> None:
        self._environment = environment
        self._plans = Plans(environment, planner, servers, self._ready)
        self._finish, self._judge = finish, judge
        self._voice, self._headless = voice, headless
        self._runner: Runner = environment.runner
        self.supervisor: Supervisor = Supervisor(self._fail)
        self._fleet: WorkerRegistry | None = None
        if isinstance(self._runner, MasterRunner):
            stop_s = lambda: environment.stop_timeout or 0.0  # noqa: E731 - asked again each time
            self._fleet = WorkerRegistry(self._runner, stop_s, self._on_line, self.supervisor)
        self._parts: RunParts | None = None
        self._shown: RunParts | None = None
        self._start: Start | None = None
        self._starter: object = None
        self._closing: gevent.Greenlet | None = None
        self.plan: Plan | None = None
        self.exit_code: int | None = None
        self.progress: Progress | None = None
        self.refusal: tuple[str, ...] = ()
        self.audience: Observer | None = None
        self.roll = UserTracker()
        self.key_hosts = KeyHosts(environment.host, environment.parsed_options.host)
        ramping = Ramping(self._on_ramp, self._is_even, self._crew, self._on_late)
        environment.dispatcher_class = DispatcherFactory(ramping, lambda: self._start is not None)
        environment.events.test_start.add_listener(lambda **_: self._on_test_start())
        environment.events.test_stop.add_listener(lambda **_: self._on_test_stop())

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the run that goes on, or of the last one; empty before the first."""
        return self._shown.books.manifest if self._shown is not None else {}

    @property
    def folder(self) -> Path | None:
        """The folder of the run that goes on, or of the last one."""
        return self._shown.books.folder if self._shown is not None else None

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """The plan these values would make; UsageError with every mistake."""
        return self._plans.of(values)

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
        if self._fleet is not None:  # Locust stops a run whose last worker is gone
            self._fleet.fail_if_all_lost()
        self.end("interrupted")
        self.supervisor.done()

    def _begin(self) -> None:
        self.roll, self._starter = UserTracker(), gevent.getcurrent()
        self.plan, self.exit_code, self.refusal, self._closing = None, None, (), None
        try:
            plan = self._plans.of(self._plans.run_values())
            self._key = self.key_hosts.key_for(plan.host)
            books = RunFolder(plan, self._voice.say, numbered=not self._headless)
        except UsageError as error:
            self._refuse(error.lines, 2)
            return
        self.plan, self._parts = plan, RunParts(books)
        self._shown = self._parts
        if self.audience is not None:
            self.audience.begin(books.manifest["run_id"], books.manifest["started_ns"])
        try:
            withheld = self.key_hosts.withheld_words(plan.host)
            server = preflight(plan, self._key, withheld)
        except Unfit as error:
            books.refused(str(error))
            self._refuse([str(error)], 1)
            self.exit_code = books.close("unreachable", self._judged, least=1)
            return
        except gevent.GreenletExit:  # somebody pressed stop, or start again, meanwhile
            if self.supervisor.cause is not None:
                raise
            words = "stopped while the server was asked what it is"
            books.refused(words)
            self._voice.say_last(f"chatload: {words}")
            self.exit_code = books.close("unreachable", self._judged, least=1)
            raise
        books.met(plan, server)
        if withheld:
            books.caveat(f"{plan.host}: {withheld}")
        self._start_all(plan, server, self._parts)

    def _start_all(self, plan: Plan, server: Server, parts: RunParts) -> None:
        books = parts.books
        values = {
            k: value for k, value in self._plans.run_values().items() if isinstance(value, str | int | float)
        }
        folder = str(books.folder.resolve())
        self._start = Start(books.manifest["run_id"], folder, server.dialect.name, server.model, values,
                            send_key=self.key_hosts.may_have_key(plan.host),
                            content=plan.content.packed() if self._fleet is not None else b"")  # fmt: skip
        books.manifest["run_time_s"] = values.get("run_time")
        self.progress = Progress(plan.load.turns_planned)
        if self._fleet is not None:
            parts.fleet = self._fleet
            self._fleet.begin(self._start, books.folder, books)
        else:
            session = Session(
                self._environment, plan, self._start, "local", lambda _, line, turn: self._on_line(line, turn)
            )
            set_session(self._environment, session)
        parts.metrics = metrics_of(plan, self._note, self._key)
        parts.helpers.append(gevent.spawn(self._watch))
        if isinstance(plan.load, CapacityLoad):
            say = lambda words: self._voice.say(f"chatload: {words}")  # noqa: E731 - one place, one line
            parts.director = CapacitySearch(plan, self._judge, self._order, say)
            parts.helpers.append(gevent.spawn(parts.director.run))

    def _refuse(self, lines: Sequence[str], code: int) -> None:
        if self._headless:
            for line in lines:
                self._voice.say_last(f"chatload: {line}")
        else:
            self.turn_away(lines)
        self.exit_code = code
        gevent.spawn(self._runner.quit if self._headless else self._runner.stop)

    def _tell_failure(self, cause: Cause) -> None:
        words = f"the run failed: {cause.words}"
        if self._headless:
            self._voice.say_last(f"chatload: {words}")
        else:
            _log.error(words)
        if self._parts is not None:
            self._parts.books.failed(cause)
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
        lead_s = WORKERS_LEAD_S if self._fleet is not None else LOCAL_LEAD_S
        segment = RampSegment(first_user, now_ns() + round(lead_s * 1e9), users_per_s)
        self._parts.books.ramp(segment)
        self.roll.dealt(workers)
        session = session_of(self._environment)
        if session is not None:
            session.ramp(segment)
        elif self._fleet is not None:
            self._fleet.ramp(segment, lead_s, workers)

    def _ready(self) -> int | None:
        return self._fleet.ready if self._fleet is not None else None

    def _crew(self) -> set[str]:
        return self._fleet.workers if self._fleet is not None else set()

    def _on_late(self, worker: str) -> None:
        if self._start and self._parts:
            self._parts.books.came_late(worker)

    def _note(self, line: dict[str, Any]) -> None:
        """A line of this process's own, such as what the server says of itself."""
        session = session_of(self._environment)
        if session is not None:
            session.emit(line)
        elif self._fleet is not None:
            self._fleet.note(line)

    def _order(self, order: dict[str, Any]) -> None:
        """An order for every climber of a capacity search."""
        session = session_of(self._environment)
        if session is not None:
            session.orders.put(order)
        elif self._fleet is not None:
            self._fleet.order(order)

    def _on_line(self, line: dict[str, Any], turn: Turn | None = None) -> None:
        progress, parts = self.progress, self._parts
        if progress is None or parts is None:
            return
        if turn is None and line["kind"] == "turn":
            turn = from_line(line)
        for listener in (self.audience, parts.director):
            if listener is not None:
                listener.hear(line, turn)
        if turn is not None:
            parts.books.turns += 1
            progress.add(turn)
        elif line["kind"] == "user":
            self.roll.note(line)
            progress.users = self.roll.present

    def _watch(self) -> None:
        """End the run when every user is gone; tell how it goes meanwhile."""
        beats = 0
        while True:
            gevent.sleep(0.1)
            beats += 1
            if self._headless and self.progress is not None and beats % round(PROGRESS_S / 0.1) == 0:
                self._voice.say(self.progress.line())
            if self._fleet is not None:
                self._fleet.look_for_lost(self.roll, self._voice.say)
                if beats % round(CLOCKS_S / 0.1) == 0:
                    gevent.spawn(self._fleet.read_clocks)
            if self._is_over():
                self.end("done")
                self._stop_locust()
                return

    def _is_over(self) -> bool:
        """True when every user is gone; a run in which no user can act any more, and some never were, has failed."""
        gone = self.roll.all_gone(self._runner.target_user_count)
        if self._fleet is not None:
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
        self._voice.end()
        end_forked_workers()
        os._exit(self.exit_code or 0)
