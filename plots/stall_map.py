"""Stall map: for each user and moment the longest gap in the text; a column that lights up is the whole server."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from chatload.analysis.series import length_s, start_ns
from chatload.analysis.swim_lanes import Lanes, lanes
from chatload.model.stalls import DEFAULT_RULE
from chatload.render.text_table import plural
from chatload.store.journal import Run
from plots.style import frame, looks, nothing, plain_number

TITLE = "When does the text stand still, and for whom?"
STEPS = 240
MOST_RUNS = 3
COLOURS = "YlOrRd"


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a run (the first three): users (y) over time (x), coloured by the longest gap in each step."""
    chosen = list(runs)[:MOST_RUNS]
    found = [lanes(run) for run in chosen]
    heights = [max(12, one.rows) for one in found]
    figure.set_size_inches(10, min(10.5, 2.0 + 0.035 * sum(heights) + 0.5 * len(chosen)))
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    length = max(map(length_s, chosen), default=0.0) or 1.0
    maps = [longest_gaps_ms(run, one, length) for run, one in zip(chosen, found, strict=True)]
    norm = _norm(maps)
    drawn: AxesImage | None = None
    for axes, run, one, look, gaps in zip(panels, chosen, found, looks(chosen), maps, strict=True):
        axes.set_title(f"{look.name}: {_words(one, gaps)}")
        axes.set_ylabel("users" if one.users else "turns in flight")
        axes.set_yticks([])
        axes.grid(visible=False)
        if run.turns and np.isfinite(gaps).any():
            drawn = _map(axes, gaps, one, length, norm)
        else:
            nothing(axes, "no gap in this run")
        axes.set_ylim(max(1, one.rows), 0)
    panels[-1].set_xlim(0, length)
    panels[-1].set_xlabel("time since the first turn was due (s)")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=list(panels), label="longest gap (ms)", pad=0.015, aspect=30)
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    _legend(panels[0], bool(drawn) and any(bar.stalls_s for one in found for bar in one.bars))
    frame(
        figure,
        panels[0],
        TITLE,
        "White: no text was due. One row dark: that user. A column dark: the server stood still.",
    )


def longest_gaps_ms(run: Run, found: Lanes, length: float) -> NDArray[np.float64]:
    """Rows × steps: the longest gap in ms that ended in the step, its own steps filled; NaN where none did."""
    zero, width = start_ns(run), length / STEPS
    gaps = np.full((max(1, found.rows), STEPS), np.nan)
    for bar in found.bars:
        turn = bar.turn
        if turn.first_token_ns is None or not turn.gaps_us:
            continue
        row, first_s = gaps[bar.row], (turn.first_token_ns - zero) / 1e9
        for gap_us, offset_us in zip(turn.gaps_us, accumulate(turn.gaps_us), strict=True):
            end_s = first_s + offset_us / 1e6
            last = min(STEPS - 1, int(end_s / width))
            for step in range(max(0, int((end_s - gap_us / 1e6) / width)), last + 1):
                if not row[step] >= gap_us / 1000:  # NaN is never larger
                    row[step] = gap_us / 1000
    return gaps


def _norm(maps: Sequence[NDArray[np.float64]]) -> LogNorm:
    values = np.concatenate([gaps[np.isfinite(gaps)] for gaps in maps]) if maps else np.array([])
    if not len(values):
        return LogNorm(1, 1000)
    low = max(0.1, float(np.quantile(values, 0.05)))
    return LogNorm(low, max(float(values.max()), DEFAULT_RULE.floor_s * 1000, low * 10))


def _map(axes: Axes, gaps: NDArray[np.float64], found: Lanes, length: float, norm: LogNorm) -> AxesImage:
    drawn = axes.imshow(
        np.ma.masked_invalid(gaps), aspect="auto", interpolation="nearest", cmap=COLOURS, norm=norm,
        extent=(0.0, length, float(found.rows), 0.0),
    )  # fmt: skip
    marks = [(end, bar.row + 0.5) for bar in found.bars for _, end in bar.stalls_s]
    if marks:
        axes.plot(*zip(*marks, strict=True), color="black", marker="x", markersize=5, linestyle="none")
    return drawn


def _legend(axes: Axes, stalls: bool) -> None:
    if stalls:
        axes.plot([], [], color="black", marker="x", linestyle="none", label="end of a stall")


def _words(found: Lanes, gaps: NDArray[np.float64]) -> str:
    stalls = sum(len(bar.stalls_s) for bar in found.bars)
    longest = f"{np.nanmax(gaps):,.0f} ms" if np.isfinite(gaps).any() else "none"
    return (
        f"{plural(stalls, 'stall')}, longest gap {longest}" if stalls else f"no stall, longest gap {longest}"
    )
