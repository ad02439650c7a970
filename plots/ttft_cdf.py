"""TTFT distribution: failed turns never answered, so a run with failures ends below 100 %."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantiles import percentile, too_few
from chatload.analysis.quantities import TTFT
from chatload.analysis.sample import Sample, figures_of
from chatload.analysis.series import good_values, thinned
from chatload.model.metrics import ttft_ms
from chatload.model.summary import ALL_USERS_IN, WHILE_ARRIVING
from chatload.render.text_table import seconds
from chatload.store.journal import Run
from plots.style import (
    MUTED,
    Look,
    far_apart,
    limit_line,
    log_axis,
    looks,
    nothing,
    slos_on,
    tell,
    thousands,
)

FAR, MANY = 5.0, 500
"""Of so many turns, one that took so many times the p99.9 does not stretch the axis: the legend tells of it."""
TITLE = "How long do users wait for the first token?"
WHOSE = {ALL_USERS_IN: "turns due with all users in", WHILE_ARRIVING: "turns due while visitors arrive"}
NOTE = (
    "Marked: p95 of good turns, as in the report. Failed turns never answer: they keep a curve below 100 %."
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A TTFT to hold the runs against, and what to call it."""

    words: str
    ms: float


def draw(runs: Sequence[Run], figure: Figure, limits: Sequence[Limit] = ()) -> None:
    """Share of the finished turns (y, %) whose first token came within x ms, of those that the report's percentiles
    are taken from; `limits` and SLOs on TTFT as lines."""
    axes = figure.subplots()
    samples = [figures_of(run) for run in runs]
    held = [sample.of(run.turns) for run, sample in zip(runs, samples, strict=True)]
    every = [good_values(turns, ttft_ms) for turns in held]
    cut = _cut(every)
    for sample, turns, look, times in zip(samples, held, looks(runs), every, strict=True):
        failed = sum(turn.failed for turn in turns)
        words = (
            f"{_words(look.name, times, failed, cut)} ({_whose(sample)})"
            if turns
            else look.name + ": no turn"
        )
        axes.plot([], [], markersize=8, label=words, **look.marked)
        if times:
            _curve(axes, times, failed, look)
    every = [times[: bisect_right(times, cut)] for times in every]
    good = [ms for times in every for ms in times]
    if not good:
        nothing(axes, "no good turn in these runs")
    lines = [*limits, *slo_limits(runs)]
    ends = [limit.ms for limit in lines]
    if any(map(far_apart, every)) or (good and ends and max(ends) > 20 * min(good)):
        log_axis(axes.xaxis)
    else:
        axes.set_xlim(left=0)
        thousands(axes.xaxis)
    if ends:
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, min(ends) / 1.2), max(right, max(ends) * 1.6))
    if cut < math.inf:
        axes.set_xlim(right=max(cut, *(1.6 * end for end in ends), 0.0))
    for limit in lines:
        limit_line(axes, limit.ms, limit.words)
    for share in (50, 95):
        axes.axhline(share, color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    axes.set_ylim(0, 102)
    axes.set_yticks([0, 25, 50, 75, 95, 100])
    axes.set_xlabel(TTFT.axis)
    axes.set_ylabel("turns answered by then (%)")


def _cut(every: Sequence[Sequence[float]]) -> float:
    """Where the axis ends, in ms: past the p99.9 of each run, if a turn of many took far longer; else infinity."""
    ends = [(times[int(0.999 * (len(times) - 1))], times[-1], len(times)) for times in every if times]
    if not any(longest > FAR * p999 and n >= MANY for p999, longest, n in ends):
        return math.inf
    return max(1.3 * p999 if n >= MANY else longest for p999, longest, n in ends)


def slo_limits(runs: Sequence[Run]) -> list[Limit]:
    """The limits of the runs' SLOs on TTFT."""
    return [Limit(f"SLO {one.words}", one.limit) for one in slos_on(runs, "ttft_ms")]


def _curve(axes: Axes, times: Sequence[float], failed: int, look: Look) -> None:
    finished = len(times) + failed
    keep = thinned(len(times))
    xs = [times[0], *(times[i] for i in keep)]
    ys = [0.0, *(100.0 * (i + 1) / finished for i in keep)]
    axes.plot(xs, ys, drawstyle="steps-post", **look.line)
    if not too_few(len(times), 0.95):
        p95 = percentile(times, 0.95)
        (mark,) = axes.plot([p95], [95.0 * len(times) / finished], markersize=8, **look.marked)
        tell(mark, [f"{look.name}: p95 {p95:,.0f} ms"])


def _whose(sample: Sample) -> str:
    return WHOSE.get(sample.name, sample.name)


def _words(name: str, times: list[float], failed: int, cut: float) -> str:
    if not times:
        words = f"{name}: no good turn"
    elif too_few(len(times), 0.95):
        words = f"{name}: {len(times)} good, too few for p95"
    else:
        words = f"{name}: p95 {percentile(times, 0.95):,.0f} ms"
    words = f"{words}, {failed:,} failed" if failed else words
    beyond = len(times) - bisect_right(times, cut)
    return f"{words}, {beyond:,} beyond this axis (up to {seconds(times[-1])})" if beyond else words
