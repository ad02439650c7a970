"""Many values of one metric as one object: {n, mean, min, p50, p90, p95, p99, max, interval, too_small}."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, overload

from chatload.analysis.quantiles import interval_ranks, percentile

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


def describe(values: Iterable[float]) -> dict[str, Any]:
    """The object of independent values, with the 95 % interval of each percentile that n supports.

    `too_small` names the percentiles whose interval n cannot give; their numbers are still the
    sample's. All numbers are None when there is no value.
    """
    ordered = sorted(values)
    mean = math.fsum(ordered) / len(ordered) if ordered else None
    found = _described(ordered, mean)
    found["interval"] = intervals(ordered)
    return found


def describe_counted(counts: Mapping[int, int], unit: float) -> dict[str, Any]:
    """The object of values given as {whole number: how often}, times `unit`; exact, and small in memory.

    Without intervals: it is made for gaps, and the gaps of one reply are not independent.
    """
    ordered = Counted(counts, unit)
    total = sum(value * count for value, count in counts.items())
    return _described(ordered, total * unit / len(ordered) if len(ordered) else None)


def endless(values: Iterable[float], failed: int) -> dict[str, Any]:
    """Percentiles where each failed turn counts as +∞. None stands for +∞ (JSON has none): see `failed`."""
    ordered = [*sorted(values), *[math.inf] * failed]
    found: dict[str, Any] = {"n": len(ordered), "failed": failed}
    for name, p in PERCENTILES.items():
        value = percentile(ordered, p) if ordered else math.inf
        found[name] = value if math.isfinite(value) else None
    found["too_small"] = too_small(len(ordered))
    return found


def intervals(ordered: Sequence[float]) -> dict[str, list[float]]:
    """{percentile name: [low, high]}, 95 %, for the percentiles that n supports."""
    found = {}
    for name, p in PERCENTILES.items():
        ranks = interval_ranks(len(ordered), p)
        if ranks is not None:
            found[name] = [ordered[ranks[0] - 1], ordered[ranks[1] - 1]]
    return found


def too_small(n: int) -> list[str]:
    """Names of the percentiles that n values cannot support."""
    return [name for name, p in PERCENTILES.items() if interval_ranks(n, p) is None] if n else []


def _described(ordered: Sequence[float], mean: float | None) -> dict[str, Any]:
    n = len(ordered)
    return {
        "n": n,
        "mean": mean,
        "min": ordered[0] if n else None,
        **{name: percentile(ordered, p) if n else None for name, p in PERCENTILES.items()},
        "max": ordered[n - 1] if n else None,
        "too_small": too_small(n),
    }


class Counted(Sequence[float]):
    """Values sorted upwards, kept as {whole number: how often} times `unit`: 20 million gaps in a few MB."""

    def __init__(self, counts: Mapping[int, int], unit: float = 1.0) -> None:
        self._values = sorted(counts)
        self._until = list(accumulate(counts[value] for value in self._values))
        self._unit = unit

    def __len__(self) -> int:
        return self._until[-1] if self._until else 0

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._values[bisect_right(self._until, index % len(self))] * self._unit
