"""Locust's argument parser, a configargparse one: its own options read our way, and ours told from them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NamedTuple

from chatload.model.nearest import did_you_mean
from chatload.options.ranges import LOCUST_RANGES

KINDS = {"int": "a whole number", "positive_integer": "a whole number from 1 on", "float": "a number"}
"""What a type of Locust's options takes, in words."""
VALUES = (("expected one argument", "needs a value"), ("ignored explicit argument", "takes no value"))
"""argparse's words on a value that is missing, or too much, and ours."""
OURS, LOCUSTS = "CHATLOAD_", "LOCUST_"
"""How environment variables of options begin."""
MISTAKEN = frozenset(("HOST", "USERS", "SPAWN_RATE", "RUN_TIME", "HEADLESS", "PROCESSES"))
"""Options of Locust's that pass for ours. Not those of ports: Kubernetes sets CHATLOAD_WEB_PORT for a service."""
ALIKE = 0.85
"""Ratio (difflib) from which the name of a variable passes for a misspelt one: others may be anybody's."""
RANGED = frozenset(f"--{name}" for name in LOCUST_RANGES)
"""Options whose wrong values the plan tells."""


def prepare(parser: Any, readers: Mapping[str, Callable[[str], object]]) -> set[str]:
    """Make Locust's own options safe, and return their names: `--users`, `-u`, …

    `readers` are our readings of some of them, by key.
    """
    # Locust would open its page and its master's port to everybody: only who asks for that gets it.
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    parser.allow_abbrev = False  # else a misspelt key of a scenario file passes for another one
    for action in parser._actions:
        if action.dest in readers:
            action.type = readers[action.dest]
    return {name for action in parser._actions for name in action.option_strings}


def tell_mistakes(parser: Any, tell: Callable[[Sequence[str], Mapping[str, Any]], None]) -> None:
    """Have `tell` called with mistakes of unknown arguments and wrong values, and the values of all; argparse stops
    at the first.

    A typing mistake is then told together with all others. Locust's own words stand where `tell` returns. A wrong
    value is left a text; those of LOCUST_RANGES are no mistake here, since the plan tells them.
    """

    def parse_args(*arguments: Any, **more: Any) -> Any:
        wrong: list[_Wrong] = []
        try:
            with _kept(parser, wrong):
                found, unknown = parser.parse_known_args(*arguments, **more)
        except argparse.ArgumentError as error:  # a value is missing: what follows cannot be read
            words = next((ours for theirs, ours in VALUES if error.message.startswith(theirs)), error.message)
            parser.exit(2, f"{_name(error.argument_name)}: {words}\n")
        misnamed = misnamed_variables(os.environ, [getattr(one, "env_var", None) for one in parser._actions])
        if unknown or wrong or misnamed:
            known = [name for action in parser._actions for name in action.option_strings]
            told = [one.words for one in wrong if one.option not in RANGED]
            tell([*told, *(unknown_words(one, known) for one in unknown), *misnamed], vars(found))
            own_words = "; ".join([*(one.words for one in wrong), *misnamed])
            parser.error(own_words or f"unrecognized arguments: {' '.join(unknown)}")
        return found

    parser.parse_args = parse_args


class _Wrong(NamedTuple):
    """A value that its option does not take."""

    option: str
    words: str


@contextmanager
def _kept(parser: Any, wrong: list[_Wrong]) -> Iterator[None]:
    """While open, the parser keeps wrong values as texts, and notes them; at the first, argparse would end."""
    read, check = parser._get_value, parser._check_value

    def note(action: argparse.Action, value: object, words: str) -> None:
        option = _name("/".join(action.option_strings))
        wrong.append(_Wrong(option, f"{option} {str(value)[:80]!r}: {words}"))

    def reading(action: argparse.Action, text: str) -> object:
        try:
            return read(action, text)
        except argparse.ArgumentError as error:
            kind = KINDS.get(getattr(action.type, "__name__", ""))
            note(action, text, f"must be {kind}" if kind else error.message)
            return text

    def checking(action: argparse.Action, value: object) -> None:
        try:
            check(action, value)
        except argparse.ArgumentError:
            choices = list(map(str, action.choices or ()))
            note(action, value, f"must be one of {', '.join(choices)}{did_you_mean(str(value), choices)}")

    exits, parser.exit_on_error = parser.exit_on_error, False
    parser._get_value, parser._check_value = reading, checking
    try:
        yield
    finally:
        del parser._get_value, parser._check_value
        parser.exit_on_error = exits


def _name(names: str | None) -> str:
    """--users of "-u/--users": the longest name of an option."""
    return max((names or "").split("/"), key=len)


def unknown_words(argument: str, known: Sequence[str]) -> str:
    """What to tell of an argument that no option is."""
    name = argument.partition("=")[0]
    if not name.startswith("-"):
        return f"{argument[:80]!r}: no option, and no value of one"
    return f"{name[:80]}: no such option{did_you_mean(name, known)}"


def misnamed_variables(environment: Iterable[str], known: Iterable[str | None]) -> list[str]:
    """What to tell of environment variables that would set an option if they were spelt right; `known` are those of
    all options."""
    names = {one for one in known if one}
    ours = [one.removeprefix(OURS) for one in names if one.startswith(OURS)]
    found = []
    for name in sorted(environment):
        rest = name.removeprefix(OURS)
        if rest == name or name in names:
            continue
        if rest in MISTAKEN and LOCUSTS + rest in names:
            found.append(f"{name}: no option of chatload's: Locust's is {LOCUSTS}{rest}")
        elif near := get_close_matches(rest, ours, 1, ALIKE):
            found.append(f"{name}: no such option (did you mean {OURS}{near[0]}?)")
    return found


class Joined(argparse._AppendAction):
    """Several values as one text, "; " between them: the web form and the workers know texts only.

    A subclass of argparse's own action, since configargparse looks for that one where a scenario file has a list.
    """

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Append one value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before}; {values}" if before else values)
