"""`chatload run`: a scenario or a locustfile, run by Locust in this process, from any folder."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from chatload import locust_start

WIDTH = 88


def run(argv: Sequence[str]) -> int:
    """Run `chatload run`; returns the exit code."""
    if any(word in ("-h", "--help") for word in argv):
        sys.stdout.write(_help())
        return 0
    locust_start.main(lambda: _arguments(argv))
    return 0


def _arguments(argv: Sequence[str]) -> list[str]:
    from chatload.cli.scenario_files import locust_arguments  # once Locust has patched the standard library

    return locust_arguments(argv)


def _help() -> str:
    from chatload.files.packaged import LOCUSTFILES, SCENARIOS, packaged_names
    from chatload.model.program import program
    from chatload.render.option_tables import option_text

    def names(folder: str, suffix: str) -> str:
        words = ", ".join(packaged_names(folder, suffix))
        return textwrap.fill(
            words, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )

    return f"""usage: {program()} run SCENARIO|LOCUSTFILE [options of Locust and of chatload]

  {program()} run chat-100 --host http://gpu-box:8000
  {program()} run my-scenario.toml --users 20 --run-time 5m
  {program()} run locustfile.py --headless --users 5 --host http://gpu-box:8000

SCENARIO and LOCUSTFILE are files, or names of those that come with chatload.

Scenarios
{names(SCENARIOS, ".toml")}

Locustfiles
{names(LOCUSTFILES, ".py")}

Locust's options
  --host URL, --users N, --spawn-rate N a second, --run-time TIME, --headless, --processes N,
  --master, --worker, --web-port PORT and more: locust --help, and
  https://docs.locust.io/en/stable/configuration.html

{option_text()}"""
