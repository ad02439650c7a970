"""The option for how a headless run shows its progress: a live display, lines, or nothing."""

from __future__ import annotations

import msgspec

from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import Range

EVERY_S = 10.0
"""Default time between two lines, in s."""
_TIME = Range(1, 3600, unit="time")


class ProgressDisplay(msgspec.Struct, frozen=True):
    """`every_s` is the time between two lines, in s; `live`: in a terminal, a live display replaces the lines."""

    every_s: float = EVERY_S
    live: bool = True
    off: bool = False


class ProgressOption(Option[ProgressDisplay]):
    """A time such as "2s", or "off"; empty: live in a terminal, else a line every 10 s."""

    def parse(self, text: str) -> ProgressDisplay:
        """How to show progress."""
        if not text:
            return ProgressDisplay()
        if text.lower() == "off":
            return ProgressDisplay(live=False, off=True)
        found = _TIME.read(text)
        if found is None:
            raise InvalidValue(
                "must be a time such as 2s (1 s to an hour), or off; empty: as the terminal is"
            )
        return ProgressDisplay(found, live=False)
