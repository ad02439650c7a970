"""Headline numbers of many runs over time, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from chatload.analysis.capacity_levels import answer_of, interval_of
from chatload.analysis.history import PastRun, RunGroup
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.render.history_table import group_name, run_name
from chatload.render.run_verdict import simulated
from chatload.render.text_table import number
from chatload.store.journal import Run
from plots.comparison import PANELS, Figures
from plots.picture import Picture
from plots.style import look_of, nothing, tell, thousands

TITLE = "How have the runs changed over time?"
NOTE = (
    "Runs in the order of their start, of each group that may be compared. Bars: 95 % intervals. A difference between "
    "two runs is no finding by itself: chatload compare tells."
)
SHOWN = (0, 1, 3, 6)
"""The panels of the comparison that are drawn: TTFT p50 and p95, felt speed, system tokens/s; of capacity searches,
whose levels differ, the answer."""
CAPACITY = ("capacity (users, or conversations/min)", "more is better")
MOST_TICKS = 4

Panel = tuple[str, str, Callable[[PastRun], Figures | None]]


def history_picture(groups: Sequence[RunGroup]) -> Picture:
    """The picture of these runs."""
    return Picture(
        "history", TITLE, partial(_draw, groups), " ".join(filter(None, (NOTE, _simulated(groups))))
    )


def _simulated(groups: Sequence[RunGroup]) -> str:
    return simulated([one for group in groups for one in group.runs])


def _draw(groups: Sequence[RunGroup], runs: Sequence[Run], figure: Figure) -> None:
    """`runs` are none: what is drawn are sums."""
    ordered = sorted(
        (one for group in groups for one in group.runs), key=lambda one: one.manifest.started_utc
    )
    places = {str(one.folder): place for place, one in enumerate(ordered)}
    panels = _panels(ordered)
    rows = -(-len(panels) // 2)
    figure.set_size_inches(11, 3.2 * max(rows, 2))
    grid = figure.subplots(rows, min(len(panels), 2), sharex=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, (words, better, of) in zip(grid.flat, panels, strict=False):
        axes.set_title(f"{words}, {better}", fontsize=10)
        drawn = [_series(axes, place, group, places, of) for place, group in enumerate(groups)]
        axes.set_xlim(-0.6, len(ordered) - 0.4)
        axes.xaxis.set_major_locator(FixedLocator(_ticks(len(ordered))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _tick(ordered, at)))
        axes.margins(y=0.12)
        axes.set_ylim(bottom=0)
        thousands(axes.yaxis)
        if not any(drawn):
            nothing(axes, "n too small")
    for axes in figure.axes[-2:]:
        axes.set_xlabel("run (label or start)")


def _panels(runs: Sequence[PastRun]) -> list[Panel]:
    """(title, which way is better, the figure of a run) of each panel that has something to show."""
    shown: list[Panel] = []
    if any(one.manifest.capacity is None for one in runs):
        shown += [(words, better, _of_summary(of)) for words, better, of in (PANELS[at] for at in SHOWN)]
    if any(one.manifest.capacity is not None for one in runs):
        shown.append((*CAPACITY, _capacity))
    return shown or [(*CAPACITY, _capacity)]


def _of_summary(of: Callable[[Summary], Figures | None]) -> Callable[[PastRun], Figures | None]:
    return lambda one: of(one.summary) if one.manifest.capacity is None else None


def _capacity(one: PastRun) -> Figures | None:
    found = one.manifest.capacity
    if found is None or found.users is None or answer_of(found) == "not found":
        return None
    return Figures(found.users, *interval_of(found))


def _series(
    axes: Axes, place: int, group: RunGroup, places: dict[str, int], of: Callable[[PastRun], Figures | None]
) -> bool:
    """The runs of one group in one panel; whether there was anything to draw."""
    look = look_of(group_name(place, group), place)
    found = [(places[str(one.folder)], one, of(one)) for one in group.runs]
    points = [(x, one, value) for x, one, value in found if value is not None]
    for x, _, value in points:
        if value.low is not None and value.high is not None:
            (bar,) = axes.plot([x, x], [value.low, value.high], color=look.colour, linewidth=5, alpha=0.35)
            bar.set_solid_capstyle("butt")
    (line,) = axes.plot(
        [x for x, _, _ in points],
        [value.value for _, _, value in points],
        label=look.name,
        markersize=6,
        linewidth=1.0,
        zorder=3,
        **look.marked,
    )
    tell(line, [f"{run_name(one)}: {number(value.value)}" for _, one, value in points])
    return bool(points)


def _ticks(runs: int) -> list[int]:
    step = -(-runs // MOST_TICKS)
    return list(range(0, runs, max(1, step)))


def _tick(ordered: Sequence[PastRun], at: float) -> str:
    """The label of the run there, else its start."""
    if not 0 <= at < len(ordered) or at != int(at):
        return ""
    manifest = ordered[int(at)].manifest
    return one_line(manifest.label, 14) or one_line(manifest.started_utc, 40)[5:16].replace("T", " ")
