"""An axis of a chart: where a value lies, and which values get a tick."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, linear or logarithmic; `words` say quantity and unit; a `bare` one has no ticks."""

    words: str
    low: float
    high: float
    log: bool = False
    bare: bool = False

    def place(self, value: float) -> float:
        """Where the value lies: 0 at `low`, 1 at `high`; values outside are put on the edge."""
        if self.log:
            value = max(value, 1e-12)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self, at_most: int = 7) -> list[float]:
        """Round values to label: 1, 2, 2.5 or 5 times a power of ten."""
        if self.bare:
            return []
        if self.log:
            return _log_ticks(self.low, self.high, at_most)
        return _round_ticks(self.low, self.high, at_most)


def from_zero(words: str, values: Iterable[float]) -> Axis:
    """A linear axis from 0 to a little over the largest value."""
    top = max(values, default=0.0)
    return Axis(words, 0.0, top * 1.04 if top > 0 else 1.0)


def fitting(words: str, values: Iterable[float], least: float = 1e-3) -> Axis:
    """A logarithmic axis where the values span more than a factor of 50, else a linear one from 0."""
    found = [max(value, least) for value in values]
    low, high = min(found, default=0.0), max(found, default=1.0)
    if not found or high <= 50 * low:
        return from_zero(words, found)
    return Axis(words, low / 1.15, high * 1.15, log=True)


def tick_words(value: float) -> str:
    """0.05, 0.2, 5, 20, 1,000, 50k: no powers of ten."""
    size = abs(value)
    if size >= 10_000:
        return f"{value / 1000:,.6g}k"
    if size >= 1 or value == 0:
        return f"{value:,.6g}"
    return f"{value:.3g}"


def _round_ticks(low: float, high: float, at_most: int) -> list[float]:
    raw = (high - low) / max(1, at_most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _log_ticks(low: float, high: float, at_most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for subs in (
        (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
        (1, 1.5, 2, 3, 4, 6),
        (1, 2, 3, 5),
        (1, 2, 5),
        (1, 3),
        (1,),
    ):
        ticks = [m * 10.0**k for k in decades for m in subs if low <= m * 10.0**k <= high]
        if len(ticks) < at_most:
            return ticks
    return ticks[:: -(-len(ticks) // at_most)]
