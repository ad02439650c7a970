"""SLO gates: how often the point estimate is on the wrong side of a limit, and what the word beside it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from chatload.analysis.block_interval import Estimate
from lab.coverage.figures import PERCENTILES, Measured
from lab.coverage.intervals import truths

DISTANCES = (-0.3, -0.1, -0.03, 0.03, 0.1, 0.3)
"""Limits, as distances from the truth."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Shares of runs: the point is on the wrong side; it is and the interval says surely; the interval says unsure."""

    wrong: float
    wrong_and_sure: float
    unsure: float

    def words(self) -> str:
        """The three in %."""
        return f"{100 * self.wrong:.0f}/{100 * self.wrong_and_sure:.0f}/{100 * self.unsure:.0f}"


def is_sure(estimate: Estimate, limit: float) -> bool:
    """Surely: the limit lies outside the interval."""
    below = estimate.low is not None and limit < estimate.low
    return below or (estimate.high is not None and limit > estimate.high)


def gates(runs: Sequence[Measured], figure: str) -> list[Gate]:
    """One for each distance; a run too short for an interval has no figure here and counts as unsure."""
    truth = truths(runs)[figure]
    estimates = [run.estimates[figure] for run in runs if run.estimates]
    short = (len(runs) - len(estimates)) / len(runs)
    found = []
    for distance in DISTANCES:
        limit = truth * (1.0 + distance)
        wrong = [(one.value <= limit) != (truth <= limit) for one in estimates]
        sure = [is_sure(one, limit) for one in estimates]
        known = 1.0 - short
        found.append(
            Gate(
                fmean(wrong),
                fmean(a and b for a, b in zip(wrong, sure, strict=True)) * known,
                (1.0 - fmean(sure)) * known + short,
            )
        )
    return found


GATED = tuple(one.name for one in PERCENTILES if one.name in ("TTFT p95", "TTFT p50", "felt p50"))
