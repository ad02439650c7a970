"""Medians and tails of recorded and simulated requests, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

from lab.calibration.recorded_loads import Machine, RecordedLoad
from lab.calibration.replay import Target
from lab.calibration.virtual_time import Served

SEEDS = (0, 1, 2)
"""Of the simulated host's noise; their requests are taken together."""
SHARES = (0.5, 0.95, 0.99)
FIGURES = ("TTFT", "TPOT", "longest gap")


@dataclass(frozen=True, slots=True)
class Distribution:
    """Quantiles in ms at SHARES of one figure: recorded and simulated, of so many recorded requests."""

    load: RecordedLoad
    name: str
    n: int
    recorded: tuple[float, ...]
    ours: tuple[float, ...]

    def error(self, share: float) -> float:
        """ours / recorded - 1 at one of SHARES."""
        place = SHARES.index(share)
        return self.ours[place] / self.recorded[place] - 1

    def supports(self, share: float) -> bool:
        """Whether there is a recorded request beyond the quantile."""
        return self.n * (1 - share) >= 1


@dataclass(frozen=True, slots=True)
class LoadFit:
    """The figures of one load, recorded and ours: requests/s (mean over runs and seeds), tokens / events with text."""

    load: RecordedLoad
    rate: tuple[float, float]
    tokens_per_event: tuple[float, float]
    distributions: tuple[Distribution, ...]

    @property
    def rate_error(self) -> float:
        """ours / recorded - 1."""
        return self.rate[1] / self.rate[0] - 1


def fit_of(machine: Machine, load: RecordedLoad, target: Target, seeds: Sequence[int] = SEEDS) -> LoadFit:
    """Replays a load with each seed of the noise."""
    rows = machine.rows(load)
    there: list[Served] = []
    here: list[Served] = []
    rates: tuple[list[float], list[float]] = [], []
    for seed in seeds:
        for recorded, simulated in machine.replay(load, rows, replace(target, seed=seed)):
            run = [row.served() for row in recorded]
            there += run if seed == seeds[0] else []
            here += simulated
            rates[0].append(_rate(run))
            rates[1].append(_rate(simulated))
    distributions = []
    for name in FIGURES:
        values = figure(name, there)
        if values:
            both = (_quantiles(values), _quantiles(figure(name, here)))
            distributions.append(Distribution(load, name, len(values), *both))
    merged = (_tokens_per_event(there), _tokens_per_event(here))
    return LoadFit(load, (mean(rates[0]), mean(rates[1])), merged, tuple(distributions))


def figure(name: str, requests: Sequence[Served]) -> list[float]:
    """A figure of each request that has it, in ms, sorted."""
    if name == "TTFT":
        return sorted(one.ttft_s * 1e3 for one in requests)
    several = [one for one in requests if one.tokens > 1]
    if name == "TPOT":
        return sorted((one.end_s - one.first_s) * 1e3 / (one.tokens - 1) for one in several)
    return sorted(one.stall_s * 1e3 for one in several if one.stall_s)


def _quantiles(ordered: Sequence[float]) -> tuple[float, ...]:
    return tuple(quantile(ordered, share) for share in SHARES)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest of the sorted values."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _rate(requests: Sequence[Served]) -> float:
    return len(requests) / (max(one.end_s for one in requests) - min(one.sent_s for one in requests))


def _tokens_per_event(requests: Sequence[Served]) -> float:
    return sum(one.tokens for one in requests) / sum(one.events for one in requests)
