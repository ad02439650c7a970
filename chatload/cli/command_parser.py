"""The argument parser of the commands."""

from __future__ import annotations

import argparse
from typing import NoReturn

from chatload.model.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError with one line instead of exiting."""

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
