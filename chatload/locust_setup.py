"""Wires the load, the live page and the reports into Locust.

A locustfile calls `install(SHAPE)`; from then on Locust's events do the rest.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust import argument_parser, events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from chatload.engine.api_key import secret_mistakes
from chatload.engine.tracing import tracing_mistakes
from chatload.files.packaged import prefer_own
from chatload.loads.load_shape import Shape
from chatload.loads.plan import Plan
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.slo import Objective
from chatload.model.turn import Turn
from chatload.options.run_options import OPTIONS
from chatload.runner.bind_check import open_port_warning, port_mistakes
from chatload.runner.capacity_search import Judged
from chatload.runner.console import Console
from chatload.runner.locust_options import register
from chatload.runner.locust_patches import processes
from chatload.runner.locust_patches.install import install as install_patches
from chatload.runner.locust_patches.option_parser import tell_mistakes
from chatload.runner.locust_patches.uncaught import tell
from chatload.runner.locust_process import (
    LocustMaster,
    LocustProcess,
    LocustWorkers,
    connect,
    connect_worker,
)
from chatload.runner.plans import plan_mistakes
from chatload.runner.run_controller import RunController, Services
from chatload.runner.wait_for_workers import WAIT_S, Expected, await_workers
from chatload.runner.worker_agent import WorkerAgent

if TYPE_CHECKING:
    from plots.report.beside import DrawingProcess

_installed: list[Shape] = []
"""The load shape of this process: Locust has one set of listeners, which all locustfiles share."""


def install(shape: Shape) -> None:
    """Register our options and listeners with Locust, for a load of this shape; several locustfiles may do so.

    They must be of one shape: a run is of one kind.
    """
    if _installed:
        if _installed[0] is not shape:
            kinds = " and ".join(one.kind.replace("_", " ") for one in (_installed[0], shape))
            _exit_if(
                [f"--locustfile: a run is of one kind, these are of two, {kinds}: start them one by one"]
            )
        return
    _installed.append(shape)
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115 - closed at the start, and Locust reads keys
    if "--worker" in sys.argv:  # before it waits for its master
        _exit_if(secret_mistakes(os.environ))
    prefer_own("plots")  # before the locustfile imports one of its own
    doubt = install_patches()
    if doubt:
        print(f"chatload: {doubt}", file=sys.stderr)

    @events.init_command_line_parser.add_listener
    def add_options(parser: Any, **_: Any) -> None:
        register(parser, [*shape.options, *OPTIONS])
        tell_mistakes(parser, lambda lines, values: _exit_if([*lines, *plan_mistakes(shape, values)]))

    @events.init.add_listener
    def begin(environment: Environment, web_ui: Any = None, **_: Any) -> None:
        processes.interrupts_to_locust(lambda: tell_interrupted(environment))
        processes.quits_in_main(environment.events.quitting)
        mistakes = secret_mistakes(os.environ) + tracing_mistakes(environment.parsed_options.otel)
        hidden = prefer_own("plots")
        if isinstance(environment.runner, WorkerRunner):
            if mistakes and environment.parsed_options.processes:  # the parent of these says so itself
                raise SystemExit(2)
            _exit_if(mistakes)
            # A worker that --processes started has these options too: it would write its own table over the master's.
            options = environment.parsed_options
            options.json, options.json_file, options.html_file = False, None, None
            agent = WorkerAgent(LocustProcess(environment), LocustMaster(environment.runner))
            connect_worker(environment, agent)
            tell(agent.supervisor, environment)
            events.quitting.add_listener(lambda **_: _stop_worker(environment, agent))
            return
        console = Console()
        runner = environment.runner
        workers = LocustWorkers(runner) if isinstance(runner, MasterRunner) else None
        services = Services(
            lambda folder, plan: _finish(folder, plan, console.say_last),
            _judge,
            prepare_finish=lambda: _drawing().begin(),
        )
        controller = RunController(
            LocustProcess(environment), workers, shape, services, console, headless=web_ui is None
        )
        connect(environment, controller)
        if (
            workers is not None
        ):  # before the runner's own, which waits for the reports where Ctrl-C is Locust's
            events.quitting.add_listener(lambda **_: close_run(environment, controller))
        events.quit.add_listener(lambda **_: console.end())
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # the terminal was closed; nohup ignores it
            gevent.signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
        plan: Plan | None = None
        try:
            plan = controller.check()
            console.after_tables = web_ui is None and plan.locust_tables
            if not plan.locust_tables:
                logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
            if plan.load.by_level:
                import_module("chatload.analysis.slo_verdict")  # which `_judge` asks while users wait
        except UsageError as error:
            mistakes += error.lines
        mistakes += [hidden] if hidden else []
        if web_ui is not None:
            mistakes += port_mistakes("--web-port", web_ui.host, web_ui.port, "a --web-host of this machine")
        metrics_at = plan.metrics_at if plan is not None else None
        if metrics_at is not None:
            mistakes += port_mistakes("--metrics-port", *metrics_at, "an address of this machine")
        _exit_if(mistakes)
        environment.chatload_controller = controller
        tell(controller.supervisor, environment)
        if workers is not None:
            words = open_port_warning(runner.master_bind_host, runner.master_bind_port)
            if words:
                console.say(f"chatload: {words}")
            options = environment.parsed_options
            if options.headless or options.autostart:
                environment.chatload_wait = gevent.spawn(await_workers, workers, _expected(options), _give_up)
                # Locust would give up at the same time, without saying what to do.
                options.expect_workers_max_wait = 0
        if metrics_at is not None:
            from chatload.live.metrics_port import serve_metrics  # here, since most runs are not scraped

            console.say(f"chatload: {serve_metrics(controller, *metrics_at)}")
        if web_ui is not None:
            _add_page(environment, web_ui, controller, shape, console)

    # Registered at import, before the locustfile's own listeners, so that an error in one of them ends the run.
    @events.test_start.add_listener
    def supervise(environment: Environment, **_: Any) -> None:
        controller: RunController | None = getattr(environment, "chatload_controller", None)
        waiting: gevent.Greenlet | None = getattr(environment, "chatload_wait", None)
        if waiting is not None:  # its workers have come, and are counted as waiting no more
            waiting.kill(block=False)
        if controller is not None:
            controller.supervisor.begin()

    # Registered at import: quitting listeners fire in reverse, so this one comes after the runner's own.
    @events.quitting.add_listener
    def end(environment: Environment, **_: Any) -> None:
        controller: RunController | None = getattr(environment, "chatload_controller", None)
        if controller is not None:
            close_run(environment, controller)


def tell_interrupted(environment: Environment) -> None:
    """Say what a first Ctrl-C does, at once and from a signal handler, if there is a run that must be closed."""
    controller: RunController | None = getattr(environment, "chatload_controller", None)
    if controller is not None and controller.is_open:
        start = b"\n" if sys.stderr.isatty() else b""  # after ^C
        os.write(
            2, start + b"chatload: closing the run and writing its reports; Ctrl-C again stops at once\n"
        )


def close_run(environment: Environment, controller: RunController) -> None:
    """Close the run of a Locust that quits, and have Locust exit with its code; once."""
    if getattr(environment, "chatload_closed", False):
        return
    environment.chatload_closed = True
    runner = environment.runner
    try:
        with processes.interrupts_here(lambda: controller.closing):
            if isinstance(runner, MasterRunner):
                runner.stop(send_stop_to_client=False)  # as it does itself when it quits
            elif runner is not None:
                runner.stop()
            controller.end("interrupted")
    except KeyboardInterrupt:  # a second Ctrl-C, while the run is closed or its reports are written
        if isinstance(controller.closing, gevent.Greenlet):
            controller.closing.kill()  # it may wait for its pictures
        environment.process_exit_code = 4  # as of every run that was not held to its end
        print(
            "chatload: stopped before the reports were written: "
            f"chatload report {controller.folder} --html writes them",
            file=sys.stderr,
        )
        return
    if controller.exit_code is not None:
        ours = 2 if runner is not None and runner.exceptions else 0
        environment.process_exit_code = max(controller.exit_code, ours)


def _add_page(
    environment: Environment, web_ui: Any, controller: RunController, shape: Shape, console: Console
) -> None:
    from chatload.live import page  # here, since a headless run starts sooner without them
    from chatload.live.login import require_login
    from chatload.live.same_origin import only_own_pages

    try:
        only_own_pages(web_ui)
    except UsageError as error:
        _exit_if(error.lines)
    for words in require_login(web_ui, vars(environment.parsed_options)):
        console.say(f"chatload: {words}")
    page.install(web_ui, environment, controller, shape, argument_parser.ui_extra_args_dict)


def _expected(options: Any) -> Expected:
    """What Locust's options say of the workers of a run."""
    forked = (lambda: len(processes.forked_workers())) if options.processes else None
    return Expected(options.expect_workers, options.expect_workers_max_wait or WAIT_S, forked)


def _exit_if(mistakes: Sequence[str]) -> None:
    """End with all mistakes, one line each, and exit code 2."""
    if mistakes:
        processes.end_forked_workers()
        print("\n".join(mistakes), file=sys.stderr, flush=True)
        raise SystemExit(2)


def _give_up(words: str) -> None:
    """End a master that waits for its workers in Locust's main greenlet."""
    processes.end_forked_workers()
    output.write(sys.stderr, f"chatload: the run failed: {words}\n")
    processes.end_locust(2)


def _judge(turns: Sequence[Turn], slo: Sequence[Objective]) -> Judged:
    from chatload.analysis.slo_verdict import level_verdict  # here, since most runs have no levels

    return level_verdict(turns, slo)


@cache
def _drawing() -> DrawingProcess:
    from plots.report.beside import DrawingProcess  # here, since a run starts sooner without its reports

    return DrawingProcess()


def _finish(folder: Path, plan: Plan, say: Callable[[str], None]) -> int:
    from chatload.runner.finish import finish  # here, as above

    return finish(folder, plan, say, _drawing().beside)


def _stop_worker(environment: Environment, agent: WorkerAgent) -> None:
    if environment.runner is not None:
        environment.runner.stop()
    agent.finish("stopped")
