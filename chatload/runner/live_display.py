"""Draws the live display at the bottom of the terminal (rich); what others print scrolls above it."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from chatload.runner.progress import Progress
from chatload.runner.progress_view import display_lines

STYLES = {"!": "yellow", "failed": "red"}
"""Colour of a line by its first word."""


class LiveDisplay:
    """Drawn once a second, by whoever calls `tell`: rich starts no thread of its own, which gevent would run anyway.

    Locust's log handlers write to the stream that they were made with: meanwhile they write to rich's.
    """

    every_s = 1.0

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            vertical_overflow="crop",
        )
        self._handlers: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        self._ended = False

    def tell(self, progress: Progress, level: str) -> None:
        """Draw it anew. A terminal that is gone is told nothing more."""
        if self._ended:
            return
        try:
            if not self._live.is_started:
                self._live.start()
                self._take_handlers()
            self._live.update(drawn(display_lines(progress, level)), refresh=True)
        except OSError:
            self._ended = True
            self._give_handlers_back()

    def end(self) -> None:
        """Take the display away."""
        if not self._ended and self._live.is_started:
            self._give_handlers_back()
            try:
                self._live.stop()
            except OSError:
                pass
        self._ended = True

    def _take_handlers(self) -> None:
        """Those of all loggers that write to the terminal."""
        loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
        for handler in {one for logger in loggers for one in logger.handlers}:
            if type(handler) is logging.StreamHandler and handler.stream in (sys.__stderr__, sys.__stdout__):
                self._handlers.append((handler, handler.stream))
                handler.setStream(sys.stderr)

    def _give_handlers_back(self) -> None:
        for handler, stream in self._handlers:
            handler.setStream(stream)
        self._handlers.clear()


def drawn(lines: list[str]) -> Group:
    """The lines as rich draws them: one row each, cut at the width of the terminal."""
    return Group(
        *(
            Text(line, STYLES.get(line.split(" ", 1)[0], ""), no_wrap=True, overflow="ellipsis")
            for line in lines
        )
    )
