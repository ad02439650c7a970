"""Stall map: for each user and moment the longest gap in the text; a column that lights up is the whole server."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chatload.analysis.generator_load import held_up_ns
from chatload.analysis.quantities import IN_FLIGHT, TIME, USERS
from chatload.analysis.series import length_s, start_ns
from chatload.analysis.swim_lanes import Lanes, lanes
from chatload.model.words import plural
from chatload.render.text_table import seconds
from chatload.store.journal import Run
from plots.style import PARTS, SEQUENCE, looks, nothing

TITLE = "When does the text stand still, and for whom?"
NOTE = (
    "Empty: no text was due. One row coloured: that user. A column coloured: the server stood still; where a column is "
    "shaded, the load generator stood still itself, so a silence there may be its own."
)
STEPS = 240
MOST_RUNS = 3
STANDS_OUT = 2.5
"""A gap so many times the usual one is coloured."""
ROUND_MS = tuple(float(digit * 10**power) for power in range(-1, 6) for digit in (1, 2, 5))


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a run (the first three): users (y) over time (x), coloured by the longest gap in each step."""
    chosen = list(runs)[:MOST_RUNS]
    found = [lanes(run) for run in chosen]
    heights = [max(12, one.rows) for one in found]
    figure.set_size_inches(10, min(10.5, 2.0 + 0.035 * sum(heights) + 0.5 * len(chosen)))
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    length = max(map(length_s, chosen), default=0.0) or 1.0
    maps = [longest_gaps_ms(run, one, length) for run, one in zip(chosen, found, strict=True)]
    limits = limits_ms(maps)
    for axes, run, one, look, gaps in zip(panels, chosen, found, looks(runs), maps, strict=False):
        axes.set_title(f"{look.name}: {_words(one, gaps)}")
        axes.set_ylabel(USERS.title if one.users else IN_FLIGHT.title)
        axes.set_yticks([])
        axes.grid(visible=False)
        if run.turns and np.isfinite(gaps).any():
            _map(axes, gaps, length / STEPS, limits)
            _stalls(axes, one)
            _held_up(axes, run, limits[0])
        else:
            nothing(axes, "no gap in this run")
        axes.set_ylim(max(1, one.rows), 0)
    panels[-1].set_xlim(0, length)
    panels[-1].set_xlabel(TIME.axis)


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


def limits_ms(maps: Sequence[NDArray[np.float64]]) -> tuple[float, ...]:
    """The gaps where the colour changes: the first stands out from the usual ones, the others are 4 or 5 times it."""
    values = np.concatenate([gaps[np.isfinite(gaps)] for gaps in maps]) if maps else np.array([])
    usual = float(np.median(values)) if len(values) else 20.0
    first = next((i for i, limit in enumerate(ROUND_MS) if limit >= STANDS_OUT * usual), len(ROUND_MS) - 5)
    return ROUND_MS[first : first + 2 * len(SEQUENCE) - 3 : 2]


def _map(axes: Axes, gaps: NDArray[np.float64], width_s: float, limits: Sequence[float]) -> None:
    """Neighbours of the same colour as one rectangle, one collection a colour."""
    shapes: list[list[list[tuple[float, float]]]] = [[] for _ in SEQUENCE]
    for row, values in enumerate(gaps):
        at = 0
        for level, same in groupby(-1 if np.isnan(gap) else bisect_right(limits, gap) for gap in values):
            until = at + len(list(same))
            if level >= 0:
                (x0, x1), (y0, y1) = (at * width_s, until * width_s), (row + 0.04, row + 0.96)
                shapes[level].append([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
            at = until
    names = [f"gap up to {seconds(limits[0])}", *(f"over {seconds(limit)}" for limit in limits)]
    for found, colour, words in zip(shapes, SEQUENCE, names, strict=True):
        if found:
            axes.add_collection(PolyCollection(found, facecolors=colour, linewidths=0, label=words))


def _stalls(axes: Axes, found: Lanes) -> None:
    marks = [(end, bar.row + 0.5) for bar in found.bars for _, end in bar.stalls_s]
    if marks:
        (drawn,) = axes.plot(*zip(*marks, strict=True), color="black", marker="x", markersize=5)
        drawn.set(linestyle="none", label="end of a stall")


def _held_up(axes: Axes, run: Run, ms: float) -> None:
    """Hatch the seconds in which the load generator was late by what makes a gap stand out."""
    zero = start_ns(run)
    label = f"load generator {seconds(ms)} late or more"
    for from_ns, until_ns in held_up_ns(run, ms):
        bounds = max(0.0, (from_ns - zero) / 1e9), (until_ns - zero) / 1e9
        axes.axvspan(*bounds, facecolor=PARTS["late"], alpha=0.3, hatch="////", linewidth=0, label=label)
        label = ""


def _words(found: Lanes, gaps: NDArray[np.float64]) -> str:
    stalls = sum(len(bar.stalls_s) for bar in found.bars)
    longest = f"{np.nanmax(gaps):,.0f} ms" if np.isfinite(gaps).any() else "none"
    return f"{plural(stalls, 'stall') if stalls else 'no stall'}, longest gap {longest}"
