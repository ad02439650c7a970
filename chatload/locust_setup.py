"""The wiring: the only place that knows both the load and its reports.

A locustfile calls `install(...)` once; from then on Locust's events do the rest.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent
from locust import argument_parser, events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from chatload.analysis.slo_verdict import judge_level
from chatload.engine.api_key import secret_mistakes
from chatload.loads.planning import Plan, Planner
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.options.declared import RUN_OPTIONS, SERVER_OPTIONS, Option
from chatload.protocols.registry import SERVERS
from chatload.runner import locust_patches as patches
from chatload.runner.bind_check import open_port_warning, port_mistakes
from chatload.runner.console import Console
from chatload.runner.options import register
from chatload.runner.run_controller import RunController
from chatload.runner.uncaught import tell
from chatload.runner.wait_for_workers import await_workers
from chatload.runner.worker_agent import WorkerAgent

SERVER_NAMES = ("auto", *SERVERS)


def install(planner: Planner, options: Sequence[Option]) -> None:
    """Register our options and listeners with Locust. `options` are those of the locustfile's load."""
    if "--worker" in sys.argv:  # before it waits for its master
        _exit_if(secret_mistakes(os.environ))
    doubt = patches.install()
    if doubt:
        print(f"chatload: {doubt}", file=sys.stderr)

    @events.init_command_line_parser.add_listener
    def add_options(parser: Any, **_: Any) -> None:
        register(parser, [*options, *SERVER_OPTIONS, *RUN_OPTIONS], {"server": SERVER_NAMES})

    @events.init.add_listener
    def begin(environment: Environment, web_ui: Any = None, **_: Any) -> None:
        mistakes = secret_mistakes(os.environ)
        if isinstance(environment.runner, WorkerRunner):
            if mistakes and environment.parsed_options.processes:  # the parent of these says so itself
                raise SystemExit(2)
            _exit_if(mistakes)
            crew = WorkerAgent(environment, planner, SERVER_NAMES)
            tell(crew.supervisor, environment)
            events.quitting.add_listener(lambda **_: _stop_worker(environment, crew))
            return
        voice = Console(headless=web_ui is None)
        conductor = RunController(
            environment,
            planner,
            SERVER_NAMES,
            lambda folder, plan: _finish(folder, plan, voice.say_last),
            judge_level,
            voice,
            headless=web_ui is None,
        )
        events.quit.add_listener(lambda **_: voice.end())
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # the terminal was closed; nohup ignores it
            gevent.signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
        try:
            conductor.check()
        except UsageError as error:
            mistakes += error.lines
        if web_ui is not None:
            mistakes += port_mistakes(web_ui.host, web_ui.port)
        _exit_if(mistakes)
        _conductors.append(conductor)
        tell(conductor.supervisor, environment)
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            words = open_port_warning(runner.master_bind_host, runner.master_bind_port)
            if words:
                voice.say(f"chatload: {words}")
            if environment.parsed_options.headless or environment.parsed_options.autostart:
                gevent.spawn(await_workers, runner, environment.parsed_options, _give_up)
        if web_ui is not None:
            from chatload.live import page  # here, since a headless run starts sooner without them
            from chatload.live.guard import guard
            from chatload.live.same_origin import only_own_pages

            try:
                only_own_pages(web_ui)
            except UsageError as error:
                _exit_if(error.lines)
            for words in guard(web_ui, vars(environment.parsed_options)):
                voice.say(f"chatload: {words}")
            page.install(
                web_ui, environment, conductor, options, SERVER_NAMES, argument_parser.ui_extra_args_dict
            )

    # Registered at import, before the locustfile's own listeners, so that an error in one of them ends the run.
    @events.test_start.add_listener
    def supervise(**_: Any) -> None:
        for conductor in _conductors:
            conductor.supervisor.begin()

    # Registered at import: quitting listeners fire in reverse, so this one comes after the runner's own.
    @events.quitting.add_listener
    def end(environment: Environment, **_: Any) -> None:
        for conductor in _conductors:
            if environment.runner is not None:
                environment.runner.stop()
            conductor.end("interrupted")
            if conductor.exit_code is not None:
                ours = 2 if environment.runner is not None and environment.runner.exceptions else 0
                environment.process_exit_code = max(conductor.exit_code, ours)


_conductors: list[RunController] = []


def _exit_if(mistakes: Sequence[str]) -> None:
    """End with all mistakes, one line each, and exit code 2."""
    if mistakes:
        patches.end_forked_workers()
        print("\n".join(mistakes), file=sys.stderr, flush=True)
        raise SystemExit(2)


def _give_up(words: str) -> None:
    """End a master that waits for its workers in Locust's main greenlet."""
    patches.end_forked_workers()
    output.write(sys.stderr, f"chatload: the run failed: {words}\n")
    gevent.kill(gevent.get_hub().parent, SystemExit(2))


def _finish(folder: Path, plan: Plan, say: Callable[[str], None]) -> int:
    from chatload.runner.finish import finish  # here, since a run starts sooner without its reports

    return finish(folder, plan, say)


def _stop_worker(environment: Environment, crew: WorkerAgent) -> None:
    if environment.runner is not None:
        environment.runner.stop()
    crew.finish("stopped")
