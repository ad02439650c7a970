"""What a run says to the person at the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from textwrap import fill
from typing import Protocol

from chatload.model import output
from chatload.options.progress_option import ProgressDisplay
from chatload.runner.progress import Progress


class Teller(Protocol):
    """Tells the progress of a run, each `every_s` s."""

    @property
    def every_s(self) -> float:
        """s from one call of `tell` to the next."""

    def tell(self, progress: Progress, level: str) -> None:
        """Tell it; `level` is what a capacity search does now."""

    def end(self) -> None:
        """Tell no more; safe to call twice."""


class Lines:
    """A line at a time."""

    def __init__(self, say: Callable[[str], None], every_s: float) -> None:
        self._say, self.every_s = say, every_s

    def tell(self, progress: Progress, level: str) -> None:
        """Say it."""
        self._say(progress.line(level))

    def end(self) -> None:
        """Nothing to do."""


class Console:
    """Writes lines at once; those of `say_last` only after Locust's own tables, where it prints them at its end."""

    def __init__(self) -> None:
        self.after_tables = False
        self._kept: list[str] = []
        self._teller: Teller | None = None

    def say(self, line: str) -> None:
        """Write one line."""
        output.write(sys.stderr, f"{fitted(output.without_commands(line), _columns())}\n")

    def say_last(self, line: str) -> None:
        """Write one line where it does not scroll away."""
        if self.after_tables:
            self._kept.append(line)
            return
        if self._teller is not None:
            self._teller.end()
        self.say(line)

    def teller(self, telling: ProgressDisplay) -> Teller | None:
        """What tells the progress of a headless run that begins; None where nothing is to."""
        if telling.off:
            self._teller = None
        elif telling.live and is_terminal():
            from chatload.runner.live_display import LiveDisplay  # here, since rich takes its time

            self._teller = LiveDisplay(sys.stderr)
        else:
            self._teller = Lines(self.say, telling.every_s)
        return self._teller

    def end(self) -> None:
        """Write what was kept: Locust has nothing more to print."""
        if self._teller is not None:
            self._teller.end()
        kept, self._kept = self._kept, []
        for line in kept:
            self.say(line)
        output.settle()


def fitted(line: str, columns: int) -> str:
    """The line broken between words where it is longer than the terminal; 0 columns: as it is."""
    if len(line) <= columns or not columns:
        return line
    return fill(line, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    """Columns of the terminal that errors go to; 0 where it is none."""
    if not is_terminal():
        return 0
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 0


def is_terminal() -> bool:
    """Whether errors go to a terminal that can move its cursor."""
    stream = sys.stderr
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
