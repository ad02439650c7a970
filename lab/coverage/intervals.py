"""How often the intervals of many runs hold the truth, and how wide they are."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from chatload.analysis.block_interval import Blocks, Estimate, quantile_estimate, share_estimate
from chatload.analysis.quantiles import percentile
from lab.coverage.figures import PERCENTILES, SYSTEM, Measured, Percentile

FAILED_SHARE = 0.02
OUTAGE_S, BETWEEN_OUTAGES_S = 1.5, 25.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one case: shares are of the runs that have an interval.

    `half_width` is the median over them as a share of the truth, None where the median run has no upper end.
    """

    truth: float
    held: float
    half_width: float | None
    no_upper_end: float

    def words(self) -> str:
        """Coverage in %, half width, share of runs without an upper end."""
        width = "one-sided" if self.half_width is None else f"±{self.half_width:.1%}"
        ends = f" [{self.no_upper_end:.0%}]" if self.no_upper_end >= 0.005 else ""
        return f"{self.held:.0%} {width}{ends}"


def truths(runs: Sequence[Measured]) -> dict[str, float]:
    """Of every figure: the percentile of all runs' turns pooled, the mean of the runs' system speeds."""
    pooled = {metric: sorted(v for run in runs for v in run.values[metric]) for metric in runs[0].values}
    found = {one.name: percentile(pooled[one.metric], one.p) for one in PERCENTILES}
    speeds = [run.estimates[SYSTEM].value for run in runs if SYSTEM in run.estimates]
    return {**found, SYSTEM: fmean(speeds)} if speeds else found


def cells(runs: Sequence[Measured]) -> dict[str, Cell]:
    """Every figure's coverage; empty where no run was long enough for an interval."""
    known = [run for run in runs if run.estimates]
    return {
        name: cell([run.estimates[name] for run in known], truth)
        for name, truth in truths(runs).items()
        if known
    }


def cell(estimates: Sequence[Estimate], truth: float) -> Cell:
    """What so many estimates of one truth come to."""
    widths = [
        (one.high - one.low) / 2.0 if one.low is not None and one.high is not None else float("inf")
        for one in estimates
    ]
    middle = median(widths)
    return Cell(
        truth,
        fmean(holds(one, truth) for one in estimates),
        middle / truth if middle < float("inf") else None,
        fmean(one.high is None for one in estimates),
    )


def holds(estimate: Estimate, truth: float) -> bool:
    """True when the truth is inside; an end that is missing excludes nothing."""
    return (estimate.low is None or estimate.low <= truth) and (
        estimate.high is None or truth <= estimate.high
    )


def side_by_side(runs: Sequence[Measured], figure: Percentile, windows: int) -> Cell:
    """A percentile of several windows of one level together: the blocks of all of them stand side by side."""
    known = [run for run in runs if run.blocks]
    drawn, estimates = random.Random(f"{figure.name} {windows}"), []
    for _ in runs:
        values, block, count = array("d"), array("i"), 0
        for run in drawn.sample(known, windows):
            values.extend(run.values[figure.metric])
            block.extend(count + one for one in run.block[figure.metric])
            count += run.blocks
        estimates.append(quantile_estimate(values, block, Blocks(0, 1, count), figure.p))
    return cell(estimates, truths(runs)[figure.name])


Fails = Callable[[float, float], bool]
"""Whether a turn fails, by its due (s) and its TTFT (ms)."""


def failed_shares(runs: Sequence[Measured]) -> dict[str, Cell]:
    """The same for the share of failed turns of the whole run, where failures come by chance, in a queue, in bursts."""
    limit = percentile(sorted(v for run in runs for v in run.whole_ttft), 1.0 - FAILED_SHARE)

    def by_chance(drawn: random.Random) -> Fails:
        return lambda _due, _ttft: drawn.random() < FAILED_SHARE

    def in_queue(_: random.Random) -> Fails:
        return lambda _due, ttft: ttft > limit

    def in_bursts(drawn: random.Random) -> Fails:
        outages, at_s = [], 0.0
        while at_s < 1000.0:
            at_s += drawn.expovariate(1.0 / BETWEEN_OUTAGES_S)
            outages.append(at_s)
        return lambda due_s, _ttft: any(0.0 <= due_s - begins <= OUTAGE_S for begins in outages)

    kinds = {"one by one": by_chance, "TTFT over a limit": in_queue, "outages": in_bursts}
    return {name: _failed(runs, make) for name, make in kinds.items()}


def _failed(runs: Sequence[Measured], make: Callable[[random.Random], Fails]) -> Cell:
    drawn, estimates, failed, turns = random.Random("failures"), [], 0, 0
    for run in runs:
        fails = make(drawn)
        hits = [fails(*turn) for turn in zip(run.whole_due_s, run.whole_ttft, strict=True)]
        failed, turns = failed + sum(hits), turns + len(hits)
        if run.blocks:
            blocks = Blocks(round(min(run.whole_due_s) * 1e9), round(max(run.whole_due_s) * 1e9), run.blocks)
            estimates.append(
                share_estimate(hits, [blocks.of(round(s * 1e9)) for s in run.whole_due_s], blocks)
            )
    return cell(estimates, failed / turns)
