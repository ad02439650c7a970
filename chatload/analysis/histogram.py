"""A histogram with buckets of equal ratio: small, mergeable, counts exact, quantiles within 0.5 %.

Bucket i holds the values in (gamma^(i−1), gamma^i] and stands for the value 2·gamma^i / (gamma + 1), which
is at most `ERROR` away from each of them, relatively (Masson, Rim & Lee 2019, *DDSketch*).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

ERROR = 0.005
"""Largest relative error of a value read from the histogram."""
_GAMMA = (1 + ERROR) / (1 - ERROR)
_PER_LOG = 1 / math.log(_GAMMA)
_MIDDLE = 2 / (_GAMMA + 1)


class Histogram:
    """How often each value came, to within `ERROR`; count, sum, least and greatest are exact.

    Values of zero or less share one bucket that stands for 0 (a gap of 0 µs, a lateness of none).
    """

    __slots__ = ("_buckets", "count", "greatest", "least", "total")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._buckets: Counter[int | None] = Counter()
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.greatest = -math.inf
        if values:
            self.add_all(values)

    def add(self, value: float) -> None:
        """Count one value. ValueError on NaN, OverflowError on infinity."""
        self._buckets[_bucket(value)] += 1
        self.count += 1
        self.total += value
        if value < self.least:
            self.least = value
        if value > self.greatest:
            self.greatest = value

    def add_all(self, values: Iterable[float]) -> None:
        """Count many values: as `add` for each, in about a fifth of the time. All or none are counted."""
        values = list(values)
        if not values:
            return
        least, log, ceil = min(values), math.log, math.ceil
        if least > 0:
            self._buckets.update([ceil(log(value) * _PER_LOG) for value in values])
        else:
            self._buckets.update([_bucket(value) for value in values])
        self.count += len(values)
        self.total += math.fsum(values)
        self.least = min(self.least, least)
        self.greatest = max(self.greatest, max(values))

    def merge(self, other: Histogram) -> None:
        """Count all that `other` has counted, too."""
        self._buckets.update(other._buckets)
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.greatest = max(self.greatest, other.greatest)

    @property
    def mean(self) -> float | None:
        """sum / count; None without values."""
        return self.total / self.count if self.count else None

    def quantile(self, p: float) -> float | None:
        """The p-quantile (0 <= p <= 1), as `chatload.analysis.quantiles.percentile` defines it; None without values."""
        return self.quantiles(p)[0]

    def quantiles(self, *wanted: float) -> list[float | None]:
        """Several quantiles in one walk over the buckets."""
        if not self.count:
            return [None] * len(wanted)
        order: list[int | None] = [None] if None in self._buckets else []
        order += sorted(self._buckets.keys() - {None}) if order else sorted(self._buckets)  # type: ignore[type-var]
        seen = list(accumulate(map(self._buckets.__getitem__, order)))
        return [self._between(p * (self.count - 1), order, seen) for p in wanted]

    def _between(self, position: float, order: list[int | None], seen: list[int]) -> float:
        below = math.floor(position)
        low = self._at(below, order, seen)
        share = position - below
        return low if share == 0.0 else low + (self._at(below + 1, order, seen) - low) * share

    def _at(self, rank: int, order: list[int | None], seen: list[int]) -> float:
        """The value of `rank` (from 0): its bucket's, but never outside what was seen."""
        if rank == 0:
            return self.least
        if rank == self.count - 1:
            return self.greatest
        value = _value(order[bisect_right(seen, rank)])
        return min(max(value, self.least), self.greatest)


def _bucket(value: float) -> int | None:
    if value > 0:
        return math.ceil(math.log(value) * _PER_LOG)  # raises OverflowError on infinity
    if value <= 0:
        return None
    raise ValueError("NaN is no value")


def _value(bucket: int | None) -> float:
    return 0.0 if bucket is None else _MIDDLE * _GAMMA**bucket
