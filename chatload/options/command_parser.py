"""The argument parser of the commands."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from chatload.model.errors import UsageError
from chatload.model.program import program


class Listed(Exception):
    """Raised with the parser in place of parsing, while `Parser.listing` is set."""

    def __init__(self, parser: Parser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """An ArgumentParser for a command that raises UsageError with one line instead of exiting.

    While `listing` is set, parsing raises Listed, from which shell completion reads the options of a command.
    """

    listing = False

    # Any: argparse's own arguments. Subparsers pass a whole `prog` in them.
    def __init__(self, command: str = "", **more: Any) -> None:
        super().__init__(**({"prog": f"{program()} {command}"} | more))

    def parse_known_args(self, *arguments: Any, **more: Any) -> Any:
        """As in argparse. Raises Listed while `listing` is set."""
        if Parser.listing:
            raise Listed(self)
        return super().parse_known_args(*arguments, **more)

    def error(self, message: str) -> NoReturn:
        raise UsageError([f"{self.prog}: {message} (see {self.prog} --help)"])


def share(text: str) -> float:
    """The share "5%" or "0.05". Raises ArgumentTypeError if the text is not a share from 0 to 1."""
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = -1.0
    if not 0.0 <= found <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a share such as 5% or 0.05")
    return found
