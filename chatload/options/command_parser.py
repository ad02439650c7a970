"""The argument parser of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from chatload.model.errors import UsageError
from chatload.model.nearest import did_you_mean
from chatload.model.program import program


class Listed(Exception):
    """Raised with the parser in place of parsing, while `Parser.listing` is set."""

    def __init__(self, parser: Parser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """An ArgumentParser for a command that raises UsageError with one line instead of exiting.

    While `listing` is set, parsing raises Listed, from which shell completion reads the options of a command.
    `suggested` are words that completion offers in addition to the choices of positional arguments.
    """

    listing = False

    # Any: argparse's own arguments. Subparsers pass a whole `prog` in them.
    def __init__(self, command: str = "", **more: Any) -> None:
        super().__init__(**({"prog": f"{program()} {command}"} | more))
        self.suggested: Sequence[str] = ()

    def parse_known_args(self, *arguments: Any, **more: Any) -> Any:
        """As in argparse. Raises Listed while `listing` is set."""
        if Parser.listing:
            raise Listed(self)
        found, unknown = super().parse_known_args(*arguments, **more)
        if unknown and unknown[0].startswith("-"):
            near = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"{unknown[0]}: no such option{near}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """As argparse does, with the likeliest choice."""
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            near = did_you_mean(str(value), choices)
            named = " ".join([*action.option_strings[-1:], repr(value)])
            self.error(f"{named}: must be one of {', '.join(choices)}{near}")

    def error(self, message: str) -> NoReturn:
        words = message.removeprefix("argument ").replace("expected one argument", "needs a value")
        raise UsageError([f"{self.prog}: {words} (see {self.prog} --help)"])


def share(text: str) -> float:
    """The share "5%" or "0.05". Raises ArgumentTypeError if the text is not a share from 0 to 1."""
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = -1.0
    if not 0.0 <= found <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a share such as 5% or 0.05")
    return found
