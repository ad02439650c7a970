"""Our options as Locust knows them: command-line flags, scenario keys, environment and web form fields."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chatload.options.option import Option
from chatload.options.ranges import LOCUST_RANGES

LOCUST_TIMES = {"run_time": "run-time", "stop_timeout": "stop-timeout"}
"""Locust's times by its key, whose own reading ends in a traceback where they are very long."""


class _AnyOf(list[str]):
    """Choices for the web form's select that let every value through the parser.

    argparse would stop at the first wrong value; `chatload.loads` tells all mistakes at once.
    """

    def __contains__(self, item: object) -> bool:
        return True


class _Joined(argparse._AppendAction):
    """Several values as one text, "; " between them: the web form and the workers know texts only."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Append one value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before}; {values}" if before else values)


def register(parser: Any, options: Sequence[Option[object]]) -> None:
    """Add `options` to Locust's parser."""
    # Locust would open its page and its master's port to everybody: only who asks for that gets it.
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    parser.allow_abbrev = False  # else a misspelt key of a scenario file passes for another one
    for action in parser._actions:
        if action.dest in LOCUST_TIMES:
            action.type = functools.partial(_time, LOCUST_TIMES[action.dest])
    known = {name for action in parser._actions for name in action.option_strings}
    for option in options:
        if f"--{option.name}" in known:
            continue
        more: dict[str, Any] = {"action": _Joined} if option.several else {}
        if option.choices:
            more |= {"choices": _AnyOf(option.choices), "metavar": "|".join(option.choices)}
        parser.add_argument(
            f"--{option.name}",
            type=str,
            default=option.default,
            env_var=f"CHATLOAD_{option.key.upper()}",
            help=option.full_help.replace("%", "%%"),
            include_in_web_ui=not option.private,
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


def without_values(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    """The command line with the values of `options` left out: they may hold what is nobody's business."""
    kept: list[str] = []
    for word in argv:
        name, equals, _ = word.partition("=")
        if name in options and equals:
            kept.append(f"{name}=…")
        else:
            kept.append("…" if kept and kept[-1] in options else word)
    return kept


def scenario_name(argv: Sequence[str], environ: Mapping[str, str], locustfile: str) -> str:
    """The scenario file's stem where one was named (--config), else the locustfile's."""
    chosen = environ.get("LOCUST_CONFIG", "")
    for index, word in enumerate(argv):
        if word == "--config" and index + 1 < len(argv):
            chosen = argv[index + 1]
        elif word.startswith("--config="):
            chosen = word.split("=", 1)[1]
    return Path(chosen or locustfile).stem
