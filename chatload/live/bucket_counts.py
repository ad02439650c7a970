"""How many values lie in each bucket of a Prometheus histogram."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate


class BucketCounts:
    """Counts of values by the upper bounds of buckets, each included, and their sum."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def add_all(self, values: Sequence[float], scale: float) -> None:
        """Count many values times `scale`: sorted once, then one look-up a bucket."""
        ordered = sorted(values)
        before = 0
        for place, bound in enumerate(self._bounds):
            upto = bisect_right(ordered, bound / scale, before)
            self._counts[place] += upto - before
            before = upto
        self._counts[-1] += len(ordered) - before
        self.total += sum(ordered) * scale

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many values are not above it), as Prometheus writes buckets."""
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))
