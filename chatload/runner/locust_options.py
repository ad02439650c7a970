"""Our options as Locust knows them: command-line flags, scenario keys, environment and web form fields."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

from chatload.options.option import Option
from chatload.options.ranges import LOCUST_RANGES
from chatload.runner.command_line import scenario_name
from chatload.runner.locust_patches.option_parser import Joined, prepare

LOCUST_TIMES = {"run_time": "run-time", "stop_timeout": "stop-timeout"}
"""Locust's times by its key, whose own reading ends in a traceback where they are very long."""


class _AnyOf(list[str]):
    """Choices for the web form's select that let every value through the parser.

    argparse would stop at the first wrong value; `chatload.loads` tells all mistakes at once.
    """

    def __contains__(self, item: object) -> bool:
        return True


def register(parser: Any, options: Sequence[Option[object]]) -> None:
    """Add `options` to Locust's parser."""
    known = prepare(parser, {key: functools.partial(_time, name) for key, name in LOCUST_TIMES.items()})
    for option in options:
        if f"--{option.name}" in known:
            continue
        more: dict[str, Any] = {"action": Joined} if option.several else {}
        if option.choices:
            more |= {"choices": _AnyOf(option.choices), "metavar": "|".join(option.choices)}
        parser.add_argument(
            f"--{option.name}",
            type=str,
            default=option.default,
            env_var=f"CHATLOAD_{option.key.upper()}",
            help=option.full_help.replace("%", "%%"),
            include_in_web_ui=not option.off_page,
            **more,
        )


def _time(name: str, given: str) -> int | str:
    """s of a time of Locust's. A mistake stays a text: `chatload.loads` tells all mistakes at once."""
    found = LOCUST_RANGES[name].read(given)
    return given if found is None else int(found)


def values_of(environment: Any) -> dict[str, Any]:
    """Option values by key, Locust's own included, and the scenario's name."""
    values = dict(vars(environment.parsed_options))
    values["host"] = environment.host or values.get("host")
    values["scenario"] = scenario_name(sys.argv, os.environ, environment.locustfile or "chat")
    return values
