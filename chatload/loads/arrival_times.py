"""Due times of an open loop, in ns from the start of the run. No request waits for a reply.

Each due time is computed from the start of the run, so a late request delays no other.
The first request is due at 0, as in vLLM's benchmark_serving.py.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from chatload.loads.rate_steps import RateStep

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


def gamma(n: int, mean_interval_s: float, burstiness: float, seed: int) -> tuple[int, ...]:
    """Independent gaps of a gamma law with this mean and the shape `burstiness`, as in vLLM's benchmark_serving.py.

    1 is a Poisson process; below it arrivals come in bursts, above it they are more even. A gap's standard deviation is
    mean / sqrt(burstiness).
    """
    _check(mean_interval_s)
    drawn = random.Random(seed)
    gaps_s = (drawn.gammavariate(burstiness, 1.0 / burstiness) * mean_interval_s for _ in range(n - 1))
    return tuple(round(due_s * 1e9) for due_s in accumulate(gaps_s, initial=0.0))[:n]


@dataclass(frozen=True, slots=True)
class Spacing:
    """How arrivals are spaced: "constant", "poisson" or "gamma" of this burstiness."""

    law: str
    burstiness: float = 1.0

    def times(self, n: int, interval_s: float, seed: int) -> tuple[int, ...]:
        """n due times with this mean interval."""
        if self.law == "gamma" and interval_s:
            return gamma(n, interval_s, self.burstiness, seed)
        return poisson(n, interval_s, seed) if self.law == "poisson" else constant(n, interval_s)

    def stepped(self, steps: Sequence[RateStep], seed: int) -> tuple[int, ...]:
        """Due times at rates that change with time: arrival k comes when the rates have summed up to its place.

        The places are arrivals at rate 1, so that bursts keep their form where the rate changes. None is due at the
        end or later.
        """
        whole = sum(step.arrivals for step in steps)
        places_s = [due_ns / 1e9 for due_ns in self.times(math.ceil(whole) + 1, 1.0, seed)]
        while places_s[-1] < whole:  # drawn gaps were long
            places_s = [due_ns / 1e9 for due_ns in self.times(2 * len(places_s), 1.0, seed)]
        found, before, begins_s, place = [], 0.0, 0.0, 0
        for step in steps:
            while place < len(places_s) and (into := places_s[place] - before) < step.arrivals - 1e-9:
                found.append(round((begins_s + step.when_s(into)) * 1e9))
                place += 1
            before, begins_s = before + step.arrivals, begins_s + step.seconds
        return tuple(found)


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
