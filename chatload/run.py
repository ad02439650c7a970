"""The wiring: the only place that knows both the load and its reports.

A locustfile calls `install(...)` once; from then on Locust's events do the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from chatload.errors import UsageError
from chatload.plan import RUN_OPTIONS, SERVER_OPTIONS, CapacityLoad, Option, Plan, Planner
from chatload.record.journal import read_run
from chatload.report.annotations import annotate, notices, write_ci_files
from chatload.report.command import keep_report, keep_summary, summary_of
from chatload.report.judge import MISSED, judge_level, worst
from chatload.report.text import verdict
from chatload.report.verdict_words import sentence
from chatload.users import patches
from chatload.users.conductor import Conductor
from chatload.users.exposure import open_port_words
from chatload.users.options import register
from chatload.users.worker import Crew
from chatload.webui import page
from chatload.webui.guard import guard
from chatload.wire.dialects import SERVERS

SERVER_NAMES = ("auto", *SERVERS)


def install(planner: Planner, options: Sequence[Option]) -> None:
    """Register our options and listeners with Locust. `options` are those of the locustfile's load."""
    doubt = patches.install()
    if doubt:
        print(f"chatload: {doubt}", file=sys.stderr)

    @events.init_command_line_parser.add_listener
    def add_options(parser: Any, **_: Any) -> None:
        register(parser, [*options, *SERVER_OPTIONS, *RUN_OPTIONS], {"server": SERVER_NAMES})

    @events.init.add_listener
    def begin(environment: Environment, web_ui: Any = None, **_: Any) -> None:
        if isinstance(environment.runner, WorkerRunner):
            crew = Crew(environment, planner, SERVER_NAMES)
            events.quitting.add_listener(lambda **_: _stop_worker(environment, crew))
            return
        conductor = Conductor(
            environment, planner, SERVER_NAMES, finish, judge_level, headless=web_ui is None
        )
        try:
            conductor.check()
        except UsageError as error:
            print("\n".join(error.lines), file=sys.stderr, flush=True)
            raise SystemExit(2) from error
        _conductors.append(conductor)
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            words = open_port_words(runner.master_bind_host, runner.master_bind_port)
            if words:
                conductor.say(f"chatload: {words}")
        if web_ui is not None:
            for words in guard(web_ui, vars(environment.parsed_options)):
                conductor.say(f"chatload: {words}")
            page.install(web_ui, environment, conductor, options, SERVER_NAMES)

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


_conductors: list[Conductor] = []


def _stop_worker(environment: Environment, crew: Crew) -> None:
    if environment.runner is not None:
        environment.runner.stop()
    crew.finish("stopped")


def finish(folder: Path, plan: Plan) -> int:
    """Write what a finished run leaves, say the verdict.

    Exit code 3 for a missed SLO, 1 when more turns failed than allowed.
    """
    run = read_run(folder)
    summary = summary_of(run)
    keep_summary(run, summary)
    write_ci_files(run, summary)
    page = keep_report(run, summary)
    if page is not None:
        print(f"chatload: open in a browser: {page}", file=sys.stderr)
    if run.turns:
        print(f"chatload: {verdict(summary)}", file=sys.stderr)
    if isinstance(plan.load, CapacityLoad):  # its SLOs are asked of each level, not of the run as a whole
        print(f"chatload: more: python -m chatload report {folder}", file=sys.stderr, flush=True)
        if not summary["trust"]["trustworthy"]:
            return 4
        return 0 if (run.manifest.get("capacity") or {}).get("users") else 3
    for one in summary["slo"]:
        print(f"chatload: SLO {sentence(one)}", file=sys.stderr)
    annotate(notices(run, summary))
    print(f"chatload: more: python -m chatload report {folder}", file=sys.stderr, flush=True)
    if not summary["trust"]["trustworthy"]:
        return 4
    if worst(summary["slo"]) == MISSED:
        return 3
    failed = sum(summary["failed"].values())
    return 1 if failed > plan.allow_failed * summary["turns"] or (failed and not summary["turns"]) else 0
