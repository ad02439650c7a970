"""Locust's argument parser, a configargparse one: its own options read our way, and ours told from them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any


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


def tell_unknown(parser: Any, tell: Callable[[Sequence[str], Mapping[str, Any]], None]) -> None:
    """Have `tell` called with mistakes of unknown arguments, and the values of the others; argparse stops at them.

    A typing mistake is then told together with all others. Locust's own words stand where `tell` returns.
    """

    def parse_args(*arguments: Any, **more: Any) -> Any:
        found, unknown = parser.parse_known_args(*arguments, **more)
        if unknown:
            known = [name for action in parser._actions for name in action.option_strings]
            tell([unknown_words(one, known) for one in unknown], vars(found))
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found

    parser.parse_args = parse_args


def unknown_words(argument: str, known: Sequence[str]) -> str:
    """What to tell of an argument that no option is."""
    name = argument.partition("=")[0]
    if not name.startswith("-"):
        return f"{argument[:80]!r}: no option, and no value of one"
    near = get_close_matches(name, known, 1)
    return f"{name[:80]}: no such option{f': did you mean {near[0]}?' if near else ''}"


class Joined(argparse._AppendAction):
    """Several values as one text, "; " between them: the web form and the workers know texts only.

    A subclass of argparse's own action, since configargparse looks for that one where a scenario file has a list.
    """

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Append one value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before}; {values}" if before else values)
