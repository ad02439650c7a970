"""The argument parser of the commands."""

from __future__ import annotations

import argparse
from typing import NoReturn

from chatload.model.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError with one line instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError([f"{self.prog}: {message} (see {self.prog} --help)"])
