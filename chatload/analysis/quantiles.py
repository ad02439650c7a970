"""Exact percentiles, their confidence intervals, and the least n for each. Stdlib only.

Percentile method: linear interpolation between order statistics (Hyndman & Fan 1996, type 7; numpy's
default). How many are needed: the binomial law (Conover, *Practical Nonparametric Statistics*, §3.2).
Intervals: `block_interval`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

METHOD = "linear interpolation of order statistics (Hyndman-Fan type 7)"


def percentile(ordered: Sequence[float], p: float) -> float:
    """The p-quantile (0 <= p <= 1) of values sorted upwards; they may end in +inf. Raises on none."""
    if not ordered:
        raise ValueError("no percentile of nothing")
    position = p * (len(ordered) - 1)
    below = math.floor(position)
    share = position - below
    if share == 0.0 or ordered[below] == ordered[below + 1]:
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * share


@cache
def least_n(p: float, confidence: float = 0.95) -> int:
    """The least number of values with which a two-sided interval of the p-quantile can exist at all.

    p99: 368, p95: 72, p90: 36, p50: 6. Of fewer, even independent ones, all are below (or above) the quantile with
    more than half the chance that the interval leaves out: p**n > (1 - confidence) / 2.
    """
    tail = (1.0 - confidence) / 2.0
    return max(math.ceil(math.log(tail) / math.log(p)), math.ceil(math.log(tail) / math.log(1.0 - p)))


def too_few(n: int, p: float) -> str:
    """`n<72` where n values cannot support the p-quantile, empty where they can: what stands there instead of it.

    The one rule for every percentile that is shown, of turns, gaps or processes.
    """
    least = least_n(p)
    return f"n<{least}" if n < least else ""
