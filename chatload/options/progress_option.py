"""How a headless run tells its progress: by a live display, by lines, or not at all."""

from __future__ import annotations

import msgspec

from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import Range

EVERY_S = 10.0
"""s between two lines where no time was given."""
_TIME = Range(1, 3600, unit="time")


class Telling(msgspec.Struct, frozen=True):
    """`every_s` is the time between two lines in s; `live`: a display in their place, where there is a terminal."""

    every_s: float = EVERY_S
    live: bool = True
    off: bool = False


class ProgressOption(Option[Telling]):
    """A time such as "2s", or "off"; empty: live in a terminal, else a line each 10 s."""

    def parse(self, text: str) -> Telling:
        """How to tell."""
        if not text:
            return Telling()
        if text.lower() == "off":
            return Telling(live=False, off=True)
        found = _TIME.read(text)
        if found is None:
            raise InvalidValue(
                "must be a time such as 2s (1 s to an hour), or off; empty: as the terminal is"
            )
        return Telling(found, live=False)
