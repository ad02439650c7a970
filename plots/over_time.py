"""A run as it went: TTFT, tokens/s, users and turns in flight over one time axis."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from chatload.analysis.quantiles import percentile
from chatload.analysis.quantities import OUTPUT, TIME, TTFT, USERS_IN_FLIGHT
from chatload.analysis.sample import figures_of
from chatload.analysis.series import (
    by_step,
    failed_s,
    in_flight,
    length_s,
    medians,
    start_ns,
    step_s,
    steps_s,
    thinned,
    tokens_per_step,
    ttft_points,
    users_in,
)
from chatload.model.summary import WHOLE_RUN
from chatload.store.journal import Run
from plots.style import PARTS, Look, looks, nothing, one_scale, show, thousands

TITLE = "Does the server hold up while users come and go?"
NOTE = "Marks on the lower edge: failed turns, at the time they were due. Tokens count when they arrived."
MOST_DOTS = 20_000
"""Turns of a run of which each is a dot."""
CROSS_HEIGHT = 0.015
"""Of the axes' height: where the crosses stand."""


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Three panels over s since the first due turn."""
    figure.set_size_inches(9, 8.5)
    waiting, speed, load = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    length = max(map(length_s, runs), default=0.0)
    width_s = step_s(length)
    waited: list[float] = []
    for run, look in zip(runs, looks(runs), strict=True):
        if run.turns:
            waited += _waiting(waiting, run, look, width_s)
            edges_s, rates = tokens_per_step(run, width_s)
            speed.stairs(rates, edges_s, linewidth=2, baseline=None, **look.line)
            _load(load, run, look)
        else:
            waiting.plot([], [], label=f"{look.name}: no turn", **look.line)
    if not length:
        nothing(speed, "no turn in these runs")
    if len(runs) == 1:
        _left_out(figure.axes, runs[0], length)
    load.set_xlabel(TIME.axis)
    dots = (
        f"bands: middle 50 and 90 % of the turns sent in {width_s} s, dots: the slowest one"
        if any(_is_dense(run) for run in runs)
        else "dots: turns when sent"
    )
    show(waiting, TTFT, f"{dots}, line: median of {width_s} s")
    show(speed, OUTPUT, f"in steps of {width_s} s")
    show(load, USERS_IN_FLIGHT, "thick line: users, filled: turns")
    one_scale(waiting.yaxis, waited)
    for axes in (speed, load):
        axes.set_ylim(bottom=0)
        thousands(axes.yaxis)
    load.set_xlim(0, length or 1.0)


def _left_out(panels: Sequence[Axes], run: Run, length: float) -> None:
    """Shades the time whose turns are not in the report's percentiles."""
    sample = figures_of(run)
    if sample.window is None or sample.name == WHOLE_RUN:
        return
    ends = [(at_ns - start_ns(run)) / 1e9 for at_ns in (sample.window.from_ns, sample.window.until_ns)]
    label = f"not {sample.name}: the report's percentiles leave it out"
    for axes in panels:
        for from_s, until_s in ((0.0, ends[0]), (ends[1], length)):
            if until_s > from_s:
                axes.axvspan(
                    from_s, until_s, color=PARTS["think"], alpha=0.28, linewidth=0, zorder=0, label=label
                )
                label = ""


def _is_dense(run: Run) -> bool:
    """Whether dots of all turns would hide each other, so that bands stand for them."""
    return len(run.turns) > MOST_DOTS


def _waiting(axes: Axes, run: Run, look: Look, width_s: int) -> list[float]:
    """Draws TTFT; returns the values that the axis must show."""
    if _is_dense(run):
        shown = _bands(axes, run, look, width_s)
    else:
        points = list(ttft_points(run))
        shown = [ms for _, ms in points]
        if points:
            few = len(points) < 200
            alpha = 0.7 if few else min(0.35, max(0.05, 1000 / len(points)))
            size = 30 if few else 14 if len(points) < 2000 else 4
            times, values = zip(*points, strict=True)
            dots = axes.scatter(times, values, size, look.colour, alpha=alpha, linewidths=0)
            dots.set_rasterized(len(points) > 500)
            _line(axes, *medians(points, width_s), look)
    _failed(axes, run, look)
    return shown


def _line(axes: Axes, times: Sequence[float], middle: Sequence[float], look: Look) -> None:
    edge = withStroke(linewidth=4, foreground="white")
    axes.plot(times, middle, label=look.name, path_effects=[edge], **look.line)


def _bands(axes: Axes, run: Run, look: Look, width_s: int) -> list[float]:
    steps = {at_s: sorted(values) for at_s, values in by_step(ttft_points(run), width_s)}
    times = list(steps)
    for low, high, alpha in ((0.05, 0.95, 0.15), (0.25, 0.75, 0.25)):
        least, most = ([percentile(values, p) for values in steps.values()] for p in (low, high))
        axes.fill_between(times, least, most, color=look.colour, alpha=alpha, linewidth=0)
    slowest = [values[-1] for values in steps.values()]
    axes.scatter(times, slowest, 6, look.colour, linewidths=0)
    _line(axes, times, [percentile(values, 0.5) for values in steps.values()], look)
    return [value for values in steps.values() for value in values]


def _failed(axes: Axes, run: Run, look: Look) -> None:
    failed = failed_s(run)
    if failed:
        crossed = [failed[i] for i in thinned(len(failed))]
        at_edge = (
            axes.get_xaxis_transform()
        )  # from the start, else they widen a logarithmic axis down to 0.01
        (crosses,) = axes.plot(
            crossed, [CROSS_HEIGHT] * len(crossed), "x", color=look.colour, markersize=7, transform=at_edge
        )
        crosses.set(clip_on=False)
        crosses.set_label(f"{look.name}: {len(failed):,} failed")


def _load(axes: Axes, run: Run, look: Look) -> None:
    times, users = steps_s(run, *users_in(run))
    axes.step(times, users, where="post", **look.line)
    times, flying = steps_s(run, *in_flight(run))
    axes.fill_between(times, flying, step="post", color=look.colour, alpha=0.12, linewidth=0)
    axes.step(times, flying, where="post", color=look.colour, linewidth=0.8, alpha=0.8)
