"""Due times of an open loop, in ns from the start of the run. No request waits for a reply.

Each due time counts from the start of the run, so a late request delays no other.
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
    rng = random.Random(seed)
    gaps_s = (-math.log(1.0 - rng.random()) * mean_interval_s for _ in range(n - 1))
    return tuple(round(due_s * 1e9) for due_s in accumulate(gaps_s, initial=0.0))[:n]


def gamma(n: int, mean_interval_s: float, burstiness: float, seed: int) -> tuple[int, ...]:
    """Gaps are independent, gamma-distributed with shape `burstiness`, as in vLLM's benchmark_serving.py.

    Burstiness 1 is a Poisson process; below 1 arrivals come in bursts, above 1 they are more even. The standard
    deviation of a gap is mean / sqrt(burstiness).
    """
    _check(mean_interval_s)
    rng = random.Random(seed)
    gaps_s = (rng.gammavariate(burstiness, 1.0 / burstiness) * mean_interval_s for _ in range(n - 1))
    return tuple(round(due_s * 1e9) for due_s in accumulate(gaps_s, initial=0.0))[:n]


@dataclass(frozen=True, slots=True)
class Spacing:
    """The distribution of the gaps between arrivals: "constant", "poisson", or "gamma" with this burstiness."""

    law: str
    burstiness: float = 1.0

    def times(self, n: int, interval_s: float, seed: int) -> tuple[int, ...]:
        """n due times with this mean interval."""
        if self.law == "gamma" and interval_s:
            return gamma(n, interval_s, self.burstiness, seed)
        return poisson(n, interval_s, seed) if self.law == "poisson" else constant(n, interval_s)

    def stepped(self, steps: Sequence[RateStep], seed: int) -> tuple[int, ...]:
        """Due times at rates that change with time; none at the end of the steps or later.

        Arrivals are drawn at rate 1/s. One at t is due when the integral of the rates over time reaches t, so that
        bursts keep their shape where the rate changes.
        """
        total = sum(step.arrivals for step in steps)
        unit_s = [due_ns / 1e9 for due_ns in self.times(math.ceil(total) + 1, 1.0, seed)]
        while unit_s[-1] < total:  # long gaps were drawn: draw more of them
            unit_s = [due_ns / 1e9 for due_ns in self.times(2 * len(unit_s), 1.0, seed)]
        dues, before, start_s, index = [], 0.0, 0.0, 0
        for step in steps:
            while index < len(unit_s) and (in_step := unit_s[index] - before) < step.arrivals - 1e-9:
                dues.append(round((start_s + step.when_s(in_step)) * 1e9))
                index += 1
            before, start_s = before + step.arrivals, start_s + step.seconds
        return tuple(dues)


def split(schedule: Sequence[T], position: int, workers: int) -> tuple[T, ...]:
    """The entries of one worker: its entry k is entry position + k · workers of the run."""
    if not 0 <= position < workers:
        raise ValueError(f"position {position} of {workers} workers: must be 0 … {workers - 1}")
    return tuple(schedule[position::workers])


def _check(interval_s: float) -> None:
    if not (math.isfinite(interval_s) and interval_s >= 0):
        raise ValueError(f"interval {interval_s} s: must be 0 or more")
