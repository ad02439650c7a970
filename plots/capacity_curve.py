"""A capacity search: each SLO's metric over the number of users, its limit, and the answer with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.capacity_levels import Curve, Level, curves, interval_of
from chatload.loads.capacity import ARRIVALS
from chatload.render.capacity_table import metric_words
from chatload.render.text_table import number
from chatload.store.journal import Run
from plots.style import MUTED, PARTS, Look, looks, nothing, tell, thousands, whole_ticks

TITLE = "How many chat users does the server hold?"
SECTION = "capacity"
NOTE = "Shaded: 95 % interval of the answer. Bars: of each level’s value. What touches the edge is beyond it, or open."
TIMES_LIMIT = 3.0
"""How far a picture goes beyond an upper limit: overload has no bounds, and is not the question."""
MOST_PANELS = 4
LIMIT = PARTS["stall"]
VERDICTS = {
    "met": ("o", "SLO met at this level"),
    "unsure": ("D", "unsure: the limit is in the level’s interval, or it has none"),
    "missed": ("X", "SLO missed at this level"),
}
"""Marker of a level whose SLO was surely met, surely missed, or neither; unsure ones are hollow."""


def fits(runs: Sequence[Run]) -> bool:
    """Whether the picture says anything of these runs."""
    return any(curves(run.manifest) for run in runs)


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel for each SLO; all runs in each."""
    found = [curves(run.manifest) for run in runs]
    asked = list(dict.fromkeys(curve.objective.words for all_ in found for curve in all_))[:MOST_PANELS]
    figure.set_size_inches(9, 5.2 if len(asked) < 2 else 1.6 + 2.9 * len(asked))
    panels = figure.subplots(max(1, len(asked)), 1, sharex=True, squeeze=False)[:, 0]
    if not asked:
        nothing(panels[0], "no capacity search in these runs")
    for axes, words in zip(panels, asked, strict=False):
        drawn = [next((c for c in all_ if c.objective.words == words), None) for all_ in found]
        _panel(axes, [curve for curve in drawn if curve is not None])
        for run, look, curve in zip(runs, looks(runs), drawn, strict=True):
            if curve is not None:
                _answer(axes, run, look, labelled=axes is panels[0])
                _curve(axes, curve, look)
    panels[-1].set_xlabel(_across(runs))
    whole_ticks(panels[-1].xaxis)
    thousands(panels[-1].xaxis)
    panels[-1].set_xlim(left=0)
    if asked:
        for verdict, (marker, words) in VERDICTS.items():
            filled = MUTED if verdict != "unsure" else "white"
            style = {"linestyle": "none", "marker": marker, "color": MUTED, "markerfacecolor": filled}
            panels[0].plot([], [], markersize=8, label=words, **style)


def _across(runs: Sequence[Run]) -> str:
    counts = {run.manifest.capacity.counts for run in runs if run.manifest.capacity is not None}
    return (
        "conversations that arrive (1/min)" if counts == {ARRIVALS} else "chat users in conversation at once"
    )


def _panel(axes: Axes, drawn: Sequence[Curve]) -> None:
    """Scale, limit and names of a panel, before anything is drawn in it."""
    levels = [level for curve in drawn for level in curve.levels]
    ends = [value for level in levels for value in (level.value, level.high, level.low)]
    values = [drawn[0].limit, *(value for value in ends if value is not None and math.isfinite(value))]
    asked, limit = drawn[0].objective, drawn[0].limit
    if drawn[0].unit == "%":
        axes.set_ylim(-2, 102)
    elif asked.at_most:
        axes.set_ylim(0, min(1.1 * max(values), TIMES_LIMIT * limit) if limit else 1.1 * max(values) or 1.0)
    else:
        axes.set_ylim(0, 1.1 * max(values))
    thousands(axes.yaxis)
    statistic = asked.words.split()[0] + " " if asked.kind in ("percentile", "extreme") else ""
    bound = "at most" if asked.at_most else "at least"
    axes.set_title(
        f"{statistic}{metric_words(asked.metric)} ({drawn[0].unit}); dashed: the limit, {bound} {limit:,.10g}"
    )
    axes.axhline(limit, color=LIMIT, linewidth=1.3, linestyle=(0, (5, 2)), zorder=1.5)


def _answer(axes: Axes, run: Run, look: Look, *, labelled: bool) -> None:
    """The number found, and its interval from edge to edge; an open end is open."""
    found = run.manifest.capacity
    if found is None or found.users is None:
        axes.plot([], [], label=f"{look.name}: search not finished", **look.line)
        return
    low, high = interval_of(found)
    words = f"{look.name}: {found.users:,} users"
    if low is not None and high is not None:
        axes.axvspan(low, high, color=look.colour, alpha=0.13, linewidth=0, zorder=0.5)
        words += f" ({low:,} to {high:,})"
    elif (at := low if low is not None else high) is not None:
        axes.axvline(at, color=look.colour, linewidth=1, linestyle=":", zorder=0.6)
        words += f" (at least {low:,})" if low is not None else f" (at most {high:,})"
    axes.axvline(found.users, color=look.colour, linewidth=1.2, alpha=0.5, zorder=1.4)
    axes.plot([], [], label=words if labelled else None, **look.line)


def _curve(axes: Axes, curve: Curve, look: Look) -> None:
    """The levels from left to right, each with its interval and its verdict's mark."""
    bottom, top = axes.get_ylim()
    worst = top if curve.objective.at_most else bottom
    places = [level.users for level in curve.levels]
    values = [_drawn_at(level, worst) for level in curve.levels]
    axes.plot(places, values, linewidth=1.6, zorder=2, **look.line)
    for level, value in zip(curve.levels, values, strict=True):
        if not level.known:
            style: dict[str, Any] = {"va": "bottom", "fontsize": 9, "color": MUTED, "rotation": 90}
            place = (level.users, 0.04), (-3, 0), ("data", "axes fraction"), "offset points"
            axes.annotate("not measurable", *place, **style)
            continue
        low, high = ends(level, curve, bottom, top)
        axes.vlines(level.users, low, high, color=look.colour, linewidth=5, alpha=0.35, zorder=2.2)
        marker = VERDICTS.get(level.verdict, ("o", ""))[0]
        filled = "white" if level.verdict == "unsure" else look.colour
        (mark,) = axes.plot([level.users], [min(value, top)], color=look.colour, marker=marker, markersize=8)
        mark.set(linestyle="none", markerfacecolor=filled, markeredgewidth=1.4, zorder=3, clip_on=False)
        tell(mark, [_told(level, curve.unit)])


def _drawn_at(level: Level, worst: float) -> float:
    """Its value; endless is the `worst` edge, and of one that is not known there is no point."""
    if not level.known:
        return math.nan
    return worst if level.value is None else level.value


def _told(level: Level, unit: str) -> str:
    value = "endless" if level.value is None else f"{number(level.value)} {unit}"
    return f"{level.users:,} users: {value}, {level.verdict}, {level.turns:,} turns"


def ends(level: Level, curve: Curve, bottom: float, top: float) -> tuple[float, float]:
    """The interval as it is drawn: an end that is not known, or endless, is the edge of the picture."""
    all_lost = curve.objective.at_most and level.value is None
    low = (top if all_lost else bottom) if level.low is None else level.low
    return min(max(low, bottom), top), top if level.high is None else min(level.high, top)
