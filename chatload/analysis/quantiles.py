"""Exact percentiles, their confidence intervals, and the least n for each. Stdlib only.

Percentile method: linear interpolation between order statistics (Hyndman & Fan 1996, type 7; numpy's
default). Interval: the distribution-free one from order statistics, two-sided, from the binomial law
(Conover, *Practical Nonparametric Statistics*, §3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def interval_ranks(n: int, p: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """Ranks (l, u), 1-based, with P(X(l) <= q_p <= X(u)) >= confidence; None when n is too small.

    l is the largest rank with P(B < l) <= a/2 and u the smallest with P(B >= u) <= a/2, for
    B ~ Binomial(n, p) and a = 1 - confidence.
    """
    tail = (1.0 - confidence) / 2.0
    if n < 1 or (1.0 - p) ** n > tail or p**n > tail:
        return None
    spread = 12.0 * math.sqrt(n * p * (1.0 - p)) + 12.0
    start, stop = max(0, int(n * p - spread)), min(n, int(n * p + spread))
    masses = [math.exp(_log_pmf(k, n, p)) for k in range(start, stop + 1)]
    lower, below = start, 0.0
    for mass in masses:
        if below + mass > tail:
            break
        below += mass
        lower += 1
    upper, above = stop, 0.0
    for mass in reversed(masses):
        if above + mass > tail:
            break
        above += mass
        upper -= 1
    return max(1, lower), min(n, upper + 1)


def _log_pmf(k: int, n: int, p: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return choose + k * math.log(p) + (n - k) * math.log1p(-p)


def interval(ordered: Sequence[float], p: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Confidence interval of the p-quantile, from the values themselves; None when n is too small."""
    ranks = interval_ranks(len(ordered), p, confidence)
    return None if ranks is None else (ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def least_n(p: float, confidence: float = 0.95) -> int:
    """The least number of values with which `interval` exists (p99: 368, p95: 72, p90: 36, p50: 6)."""
    tail = (1.0 - confidence) / 2.0
    return max(math.ceil(math.log(tail) / math.log(p)), math.ceil(math.log(tail) / math.log(1.0 - p)))
