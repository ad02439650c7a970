"""Many values of one metric as one `Distribution`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import overload

from chatload.analysis.block_interval import Blocks, Estimate, quantile_estimate
from chatload.analysis.quantiles import percentile, too_few
from chatload.model.summary import PERCENTILES, Distribution, WithFailures


def describe(
    values: Iterable[float], block: Sequence[int] = (), blocks: Blocks | None = None
) -> Distribution:
    """The distribution of values; with the block of time of each, the 95 % intervals of its percentiles too."""
    listed = list(values)
    ordered = sorted(listed)
    mean = math.fsum(ordered) / len(ordered) if ordered else None
    found: dict[str, Estimate] = {}
    if blocks is not None:
        sizes = Counter(block)
        found = {
            name: quantile_estimate(listed, block, blocks, p, ordered=ordered, sizes=sizes)
            for name, p in PERCENTILES.items()
            if not too_few(len(ordered), p)
        }
    return _described(ordered, mean, found)


def describe_counted(counts: Mapping[int, int], unit: float) -> Distribution:
    """The distribution of values given as {whole number: how often}, times `unit`; exact, and small in memory.

    Without intervals: it is made for gaps, of which nobody knows when each was.
    """
    ordered = Counted(counts, unit)
    total = sum(value * count for value, count in counts.items())
    return _described(ordered, total * unit / len(ordered) if len(ordered) else None, {})


def with_failures(values: Iterable[float], failed: int) -> WithFailures:
    """Percentiles where each failed turn counts as +∞."""
    ordered = [*sorted(values), *[math.inf] * failed]
    found = (percentile(ordered, p) if ordered else math.inf for p in PERCENTILES.values())
    p50, p90, p95, p99 = (value if math.isfinite(value) else None for value in found)
    return WithFailures(len(ordered), failed, p50, p90, p95, p99, too_small(len(ordered)))


def too_small(n: int) -> tuple[str, ...]:
    """Names of the percentiles that n values cannot support."""
    return tuple(name for name, p in PERCENTILES.items() if n and too_few(n, p))


def _described(ordered: Sequence[float], mean: float | None, found: Mapping[str, Estimate]) -> Distribution:
    n = len(ordered)
    least, most = (ordered[0], ordered[n - 1]) if n else (None, None)
    p50, p90, p95, p99 = (percentile(ordered, p) if n else None for p in PERCENTILES.values())
    intervals = {name: (one.low, one.high) for name, one in found.items()}
    effects = {name: one.design_effect for name, one in found.items()}
    return Distribution(n, mean, least, p50, p90, p95, p99, most, too_small(n), intervals or None, effects)


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
