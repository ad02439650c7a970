"""Due times of an open loop, in ns from the start of the run. No request waits for a reply.

Each due time is computed from the start of the run, so a late request delays no other.
The first request is due at 0, as in vLLM's benchmark_serving.py.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


def constant(n: int, interval_s: float) -> tuple[int, ...]:
    """due(k) = k · interval; interval 0 makes all n due at once."""
    _check(interval_s)
    return tuple(round(k * interval_s * 1e9) for k in range(n))


def poisson(n: int, mean_interval_s: float, seed: int) -> tuple[int, ...]:
    """A Poisson process of rate 1/mean_interval: gaps are exponential and independent.

    Gap = −ln(1 − u) · mean, u uniform in [0, 1): the same seed at another rate gives the same arrivals, scaled.
    """
    _check(mean_interval_s)
    drawn = random.Random(seed)
    gaps_s = (-math.log(1.0 - drawn.random()) * mean_interval_s for _ in range(n - 1))
    return tuple(round(due_s * 1e9) for due_s in accumulate(gaps_s, initial=0.0))[:n]


def split(schedule: Sequence[T], position: int, workers: int) -> tuple[T, ...]:
    """The entries of one worker: every `workers`-th from `position` on.

    Entry k of a worker is entry position + k · workers of the run.
    """
    if not 0 <= position < workers:
        raise ValueError(f"position {position} of {workers} workers: must be 0 … {workers - 1}")
    return tuple(schedule[position::workers])


def _check(interval_s: float) -> None:
    if not (math.isfinite(interval_s) and interval_s >= 0):
        raise ValueError(f"interval {interval_s} s: must be 0 or more")
