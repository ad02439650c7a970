"""Ranges of numbers that options take: parsing within a range, and its description."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_TIME = re.compile(r"(?:([0-9]{1,12})h)?(?:([0-9]{1,12})m)?(?:([0-9]{1,12})s?)?")

DAY_S = 86_400
LONGEST_RUN_S = 31 * DAY_S
"""Longest planned duration of a run."""
MOST_AT_ONCE = 100_000
"""Most requests in flight, or chat users of a level."""
MOST_REQUESTS = 1_000_000
MOST_TOKENS = 1_000_000
"""Most tokens of a prompt or answer."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `least` to `most`, both included.

    Only plain ASCII digits are valid, not other forms that Python accepts (１２, 1_000, nan).
    `unit` is "" for a number, "%" for a share (1% or 0.01), "time" for s or a time such as 1h20m.
    """

    least: float
    most: float
    whole: bool = False
    unit: str = ""

    @property
    def words(self) -> str:
        """The range in words."""
        if self.unit == "%":
            least, most = f"{_words(100 * self.least)}%", f"{_words(100 * self.most)}%"
            kind = "a share such as 1% or 0.01,"
        else:
            least, most = _words(self.least), _words(self.most)
            kind = "a whole number" if self.whole else "a number"
        if self.unit == "time":
            return f"a time such as 30s, 10m or 1h20m, from {least} to {most} s"
        return f"{kind} from {least} to {most}"

    def read(self, given: object) -> float | None:
        """The number given as text or number; None if it is no number, or not in this range."""
        if isinstance(given, bool) or given is None:
            return None
        number = self._number(given.strip()) if isinstance(given, str) else _plain(given)
        if number is None or not self.least <= number <= self.most:
            return None
        return None if self.whole and number != int(number) else number

    def _number(self, text: str) -> float | None:
        if self.unit == "time":
            return _seconds(text)
        if self.unit == "%" and text.endswith("%"):
            found = _DECIMAL.fullmatch(text[:-1].rstrip())
            return float(found[0]) / 100 if found else None
        if self.whole:
            return int(text) if _WHOLE.fullmatch(text) else None
        return float(text) if _DECIMAL.fullmatch(text) else None


def _words(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _plain(given: object) -> float | None:
    return given if isinstance(given, int | float) else None


def _seconds(text: str) -> float | None:
    """A time in Locust's forms (20, 20s, 3m, 1h20m), in s; None for any other text."""
    found = _TIME.fullmatch(text)
    if not text or found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def whole(least: int, most: int) -> Range:
    """The whole numbers from `least` to `most`."""
    return Range(least, most, whole=True)


def seconds(least: float = 0.0) -> Range:
    """A duration of at most a day, in s."""
    return Range(least, DAY_S)


def share(least: float = 0.0, most: float = 1.0) -> Range:
    """A share, 0 to 1 or 0% to 100%."""
    return Range(least, most, unit="%")


LOCUST_RANGES = {
    "users": whole(1, 1_000_000),
    "spawn-rate": Range(0.0001, 1_000_000),
    "run-time": Range(0, LONGEST_RUN_S, unit="time"),
    "stop-timeout": Range(0, DAY_S, unit="time"),
}
"""The ranges of Locust's own options."""
