"""The argument parser of the commands."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from chatload.model.errors import UsageError
from chatload.model.program import program


class Listed(Exception):
    """Carries a parser instead of its answer, while `Parser.listing`."""

    def __init__(self, parser: Parser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """An ArgumentParser of a command that raises UsageError with one line instead of exiting.

    While `listing` is set, parsing raises Listed: so completion asks a command for its options.
    """

    listing = False

    # Any: what argparse itself takes, which subparsers hand on with a whole `prog`.
    def __init__(self, command: str = "", **more: Any) -> None:
        super().__init__(**({"prog": f"{program()} {command}"} | more))

    def parse_known_args(self, *arguments: Any, **more: Any) -> Any:
        """As argparse does."""
        if Parser.listing:
            raise Listed(self)
        return super().parse_known_args(*arguments, **more)

    def error(self, message: str) -> NoReturn:
        raise UsageError([f"{self.prog}: {message} (see {self.prog} --help)"])


def share(text: str) -> float:
    """A share of an option, "5%" or "0.05". ArgumentTypeError where it is none, or not within 0 and 1."""
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = -1.0
    if not 0.0 <= found <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a share such as 5% or 0.05")
    return found
