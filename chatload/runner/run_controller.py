"""Starts and ends runs: in the one process of a local run, or in the master of a distributed one.

A run begins: check the plan, ask the server what it is, take a folder, tell the processes that hold the users. It
ends when every user is gone, when somebody stops it, or when it fails: then its parts are closed (run.py) and the
reports are written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import msgspec

from chatload.engine.api_key import ApiKey, KeyHosts
from chatload.engine.clock import CLOCK, Clock
from chatload.loads.load_shape import Shape
from chatload.loads.plan import Plan
from chatload.model.errors import UsageError
from chatload.model.journal_lines import JournalLine, PowerLine, ServerLine
from chatload.model.words import plural
from chatload.runner.capacity_search import Judge
from chatload.runner.console import Console, Teller
from chatload.runner.credentials import credentials
from chatload.runner.locust_interface import ThisProcess, Workers
from chatload.runner.messages import Start
from chatload.runner.met_servers import Met, classes_of, meet, meet_others, start_of
from chatload.runner.no_server import Unfit
from chatload.runner.observer import Observer
from chatload.runner.own_process import OwnProcess, UserProcesses
from chatload.runner.plans import Plans
from chatload.runner.preflight import Server, preflight
from chatload.runner.preparation import prepare
from chatload.runner.run import Run
from chatload.runner.run_folder import RunFolder
from chatload.runner.same_answers import SameAnswers, same_answers
from chatload.runner.server_metrics import PowerMetrics, ServerMetrics, metrics_of, power_metrics_of
from chatload.runner.simulator_lateness import SimulatorLateness, lateness_of
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.worker_registry import WorkerRegistry
from chatload.store.manifest import Manifest

LEAVE_S = 3.0
"""How long after a failed run has been closed this process ends, if Locust has not ended it by itself."""
SETTLED_S = 2.0
"""A load without a ramp is on after so long."""
QUIT_S = 1.0
"""How long after its only run has been closed a headless Locust quits, if it has not by itself."""
STOP_S = 1.5
"""How long the users of a run that failed may take to stop."""

Finish = Callable[[Path, Plan], int]
"""Writes the reports of a finished run folder and returns the exit code they call for."""

_log = logging.getLogger("locust.chatload")


@dataclass(frozen=True, slots=True)
class Services:
    """What a run controller calls beside Locust and its own parts. `judge`: of a level of a capacity search.

    `prepare_finish` is called when the users are gone, before workers are waited for and `finish` is called.
    """

    finish: Finish
    judge: Judge
    ask_server: Callable[[Plan, ApiKey, str | None], Server] = preflight
    read_metrics: Callable[[Plan, Callable[[ServerLine], None], ApiKey, Collection[str]], ServerMetrics] = (
        metrics_of
    )
    clock: Clock = CLOCK
    same_answers: Callable[[Plan, Start, ApiKey, Callable[[JournalLine], None], Clock], SameAnswers] = (
        same_answers
    )
    read_power: Callable[[Plan, Callable[[PowerLine], None]], PowerMetrics | None] = power_metrics_of
    lateness: Callable[[Plan, ApiKey], SimulatorLateness] = lateness_of
    prepare_finish: Callable[[], None] = lambda: None


class RunController:
    """One per environment, local or master. A web UI may start many runs with it, one after another."""

    def __init__(
        self,
        process: ThisProcess,
        workers: Workers | None,
        shape: Shape,
        services: Services,
        console: Console,
        *,
        headless: bool,
    ) -> None:
        self._process, self._services, self._console = process, services, console
        self._headless, self._clock = headless, services.clock
        self.supervisor = supervisor = Supervisor(self._fail)
        self._processes: UserProcesses = (
            OwnProcess(process, self._on_line, supervisor, self._clock)
            if workers is None
            else WorkerRegistry(process, workers, self._on_line, supervisor, self._clock)
        )
        self._plans = Plans(process, shape, lambda: self._processes.ready)
        self._run: Run | None = None
        self._last_folder: RunFolder | None = None
        self._spawner: object = None
        self._closing: gevent.Greenlet | None = None
        self._is_on = False
        self._stopping = ""
        self._teller: Teller | None = None
        self.plan: Plan | None = None
        self.exit_code: int | None = None
        self.refusal: tuple[str, ...] = ()
        self.observers: list[Observer] = []
        self.key_hosts = KeyHosts(*process.given_hosts)

    @property
    def is_open(self) -> bool:
        """Whether a run goes on, or is being closed and its reports written."""
        return self._is_on or bool(self._closing)

    @property
    def closing(self) -> object:
        """The greenlet that closes the run and writes its reports, or has; None before."""
        return self._closing

    @property
    def manifest(self) -> Manifest:
        """The manifest of the run that goes on, or of the last one; an empty one before the first."""
        return self._last_folder.manifest if self._last_folder is not None else Manifest()

    @property
    def folder(self) -> Path | None:
        """The folder of the run that goes on, or of the last one."""
        return self._last_folder.folder if self._last_folder is not None else None

    @property
    def level(self) -> str:
        """What a capacity search measures now, in words; empty for every other run, and when none goes on."""
        return self._run.level if self._run is not None and self._is_on else ""

    def is_on(self) -> bool:
        """Whether a run goes on that has begun."""
        return self._is_on

    def run_on(self) -> Run | None:
        """The run that goes on; None where none does."""
        return self._run if self._is_on else None

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """The plan these values would make; UsageError with every mistake."""
        return self._plans.of(values).plan

    def check(self) -> Plan:
        """The plan as the options stand now; UsageError with every mistake."""
        return self._plans.check(headless=self._headless)

    # -- begin ---------------------------------------------------------------------------------------

    def on_test_start(self) -> None:
        """Locust starts a run. It says so again for a shape that begins with no users: the run goes on then."""
        if self._is_on:
            return
        self._run = None
        if self.supervisor.cause is None:  # a listener of the locustfile may have raised
            with self.supervisor.watching():
                self._begin()

    def on_test_stopping(self) -> None:
        """Locust begins to stop a run. A master waits for its workers then: their users go before `on_test_stop`."""
        self._stopping = "done" if self._process.is_ended_by_shape else "interrupted"

    def on_test_stop(self) -> None:
        """Locust has stopped a run: at the end, by hand, or because its last worker is gone."""
        self._processes.fail_if_all_lost()
        self.end("done" if self._process.is_ended_by_shape else "interrupted")
        self.supervisor.done()

    def _begin(self) -> None:
        self._spawner = gevent.getcurrent()
        self._stopping = ""
        self.plan, self.exit_code, self.refusal, self._closing = None, None, (), None
        try:
            planned = self._plans.of(self._plans.run_values())
            planned, key, withheld = credentials(planned, self.key_hosts)
            plan = planned.plan
            folder = RunFolder(planned, self._console.say, self._clock, numbered=not self._headless)
        except UsageError as error:
            self._refuse(error.lines, 2)
            return
        self.plan, self._last_folder = plan, folder
        self._run = run = Run(plan, folder, self._processes, self._clock)
        self._teller = self._console.teller(plan.progress) if self._headless else None
        for observer in self.observers:
            observer.begin(folder.manifest.run_id, folder.manifest.started_ns or 0)
        try:
            asked = self._services.ask_server(plan, key, withheld)
            met = meet(plan, asked, self.key_hosts, key, classes_of(plan))
            others = meet_others(planned, self._services.ask_server, self.key_hosts)
            prepared = prepare(planned, met, key, folder.manifest.run_id, folder.tell)
            start = start_of(
                folder.manifest.run_id, str(folder.folder.resolve()), planned, met, others, prepared.counts
            )
            same = self._asked_idle(plan, start, met.key)
        except Unfit as error:
            folder.refused(str(error))
            # Before Locust is told to quit, which ends this greenlet.
            code = folder.close("unreachable", self._judged, least=error.exit_code)
            self._refuse([str(error)], code)
            return
        except gevent.GreenletExit:  # somebody pressed stop, or start again, meanwhile
            if self.supervisor.cause is not None:
                raise
            words = "stopped while the server was asked what it is"
            folder.refused(words)
            self._console.say_last(f"chatload: {words}")
            self.exit_code = folder.close("unreachable", self._judged, least=1)
            raise
        folder.met(met, prepared.facts)
        for one in others.values():
            folder.met_other(one)
        if withheld:
            folder.warn(f"{plan.host}: {withheld}")
        for doubt in filter(None, (one.doubt for one in (met, *others.values()))):
            folder.warn(doubt)
        self._start(run, start, (met, *others.values()))
        if same is not None and self._is_on:
            ramp_s = plan.load.users / plan.load.users_per_s if plan.load.own_users else SETTLED_S
            run.spawn(lambda: same.ask_under_load(ramp_s))

    def _asked_idle(self, plan: Plan, start: Start, key: ApiKey) -> SameAnswers | None:
        """The prompts of --same-answers, asked of the idle server; None without them."""
        if not plan.same_answers:
            return None
        self._console.say(
            f"chatload: asks {plural(plan.same_answers, 'prompt')} of the idle server, each twice"
        )
        same = self._services.same_answers(plan, start, key, self._processes.note, self._clock)
        same.ask_idle()
        return same

    def _start(self, run: Run, start: Start, servers: Sequence[Met]) -> None:
        run.folder.manifest.run_time_s = self._plans.run_values().get("run_time")
        self._is_on = True
        run.begin(start)
        if not self._is_on:  # stopped while the workers' clocks were read
            return
        for host, one in {one.plan.host: one for one in reversed(servers)}.items():
            emit = partial(self._note, host if len({one.plan.host for one in servers}) > 1 else "")
            run.metrics.append(self._services.read_metrics(one.plan, emit, one.key, one.told.skipped))
            if one.server.found.simulation is not None:
                run.simulators.append(self._services.lateness(one.plan, one.key))
        run.power = self._services.read_power(run.plan, self._processes.note)
        run.spawn(lambda: self._watch(run))
        run.search(self._services.judge, self._console)

    def _note(self, host: str, line: ServerLine) -> None:
        """Write a reading down, of several servers with the host of its own."""
        self._processes.note(msgspec.structs.replace(line, host=host) if host else line)

    def _refuse(self, lines: Sequence[str], code: int) -> None:
        if self._headless:
            for line in lines:
                self._console.say_last(f"chatload: {line}")
        else:
            self.turn_away(lines)
        self.exit_code = code
        gevent.spawn(self._stop_locust)

    def turn_away(self, lines: Sequence[str]) -> None:
        """Say on the page and in Locust's log why a run does not start."""
        self.refusal = tuple(lines)
        for line in lines:
            _log.error(line)

    # -- while it runs -------------------------------------------------------------------------------

    def is_even(self) -> bool:
        """Whether users come in one by one, and not in Locust's bursts."""
        return self.plan is not None and self.plan.load.ramp == "even"

    def on_ramp(self, first_user: int, users_per_s: float, workers: Sequence[str]) -> None:
        """The dispatcher begins a ramp."""
        if self._run is not None:
            self._spawner = gevent.getcurrent()
            self._run.ramp(first_user, users_per_s, list(workers), self._process.target_users)

    def workers(self) -> Collection[str]:
        """The workers that have a part in the run; empty where there are none to tell."""
        return self._processes.workers

    def on_late(self, worker: str) -> None:
        """A worker came when the users were assigned already."""
        if self._is_on and self._run is not None:
            self._run.folder.came_late(worker)

    def _on_line(self, line: JournalLine) -> None:
        if self._run is not None and self._run.has_begun:
            for observer in self.observers:
                observer.on_line(line)
            self._run.on_line(line)
            if self._run.mistake and self.supervisor.cause is None:
                self.supervisor.fail(Cause(self._run.mistake))

    def _watch(self, run: Run) -> None:
        """End the run when every user is gone."""
        run.watch(self._teller)
        self.end(self._stopping or "done")
        self._stop_locust()

    def _stop_locust(self) -> None:
        """Have Locust stop its users; and end, where nobody is at a page to start another run."""
        if self._headless:
            self._process.quit()
        else:
            self._process.stop()

    # -- end -----------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """Close the run; the first call decides the reason, every call returns when it is closed.

        It is closed by a greenlet of its own: Locust kills its own ones when it quits, such as the one that was told
        that the last worker is gone. A run whose closing fails ends with exit code 2.
        """
        never_began = reason == "failed" and self._closing is None and self.exit_code is None
        if (self._is_on or never_began) and self._run is not None:
            self._is_on = False
            self._closing = gevent.spawn(self._close, reason, self._run, gevent.getcurrent())
        if self._closing is None:
            return
        self._closing.join()
        if self._headless:  # Locust stops a run whose last worker has gone missing, and then waits for ever
            self._clock.later(QUIT_S, self._process.quit)
        if not self._closing.successful():
            self.exit_code = 2

    def _close(self, reason: str, run: Run, caller: object) -> None:
        if run.has_begun:
            with self.supervisor.watching():
                self._services.prepare_finish()
        self.exit_code = run.close(reason, self.supervisor, self._judged, caller)

    def _judged(self, folder: Path) -> int:
        assert self.plan is not None
        return self._services.finish(folder, self.plan)

    def _fail(self, cause: Cause) -> None:
        """Something went wrong: end the run with what it has measured so far."""
        self._say_failure(cause)
        self._process.kill_users(self._spawner, STOP_S)
        self.end("failed")
        self.exit_code = cause.exit_code
        if self._headless:
            self._clock.later(LEAVE_S, self._leave)
        self._stop_locust()

    def _say_failure(self, cause: Cause) -> None:
        words = f"the run failed: {cause.words}"
        if self._headless:
            self._console.say_last(f"chatload: {words}")
        else:
            _log.error(words)
        if self._run is not None:
            self._run.folder.failed(cause)
        elif not self._headless:
            self.refusal = (cause.words,)

    def _leave(self) -> None:
        """End the process: a user that does not stop keeps Locust from it."""
        self._console.end()
        self._process.leave(self.exit_code or 0)
