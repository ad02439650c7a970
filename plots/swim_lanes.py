"""Swim-lanes: each user a row, each turn a bar of waiting and streaming, with the stalls marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from chatload.analysis import pictures
from chatload.analysis.series import length_s
from chatload.analysis.swim_lanes import Bar, Lanes, lanes, pieces
from chatload.store.journal import Run
from plots.style import frame, looks, nothing

TITLE = pictures.SWIM_LANES
MOST_RUNS = 3

PARTS = {
    "wait": ("waiting for the first byte", "#E8A33D"),
    "quiet": ("first byte, but no token yet", "#F6DCAE"),
    "stream": ("text streams", "#4A93C8"),
    "stall": ("stall", "#C4122F"),
    "think": ("thinking", "#C3CBD3"),
    "fail": ("failed", "#333333"),
    "late": ("sent late, our fault", "#8250DF"),
}
HATCHES = {"fail": "////", "late": "...."}
"""Told apart without colour too."""

Rectangle = tuple[float, float, float, float]


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a run (the first three), one below the other over one time axis."""
    chosen = list(runs)[:MOST_RUNS]
    found = [lanes(run) for run in chosen]
    heights = [max(12, one.rows) for one in found]
    figure.set_size_inches(10, min(10.5, 2.0 + 0.04 * sum(heights) + 0.5 * len(chosen)))
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    used: set[str] = set()
    for axes, one, look in zip(panels, found, looks(chosen), strict=True):
        some = "" if one.rows == one.of else f", {one.rows:,} of {one.of:,} rows"
        axes.set_title(f"{look.name}{some}")
        axes.set_ylabel("users" if one.users else "turns in flight")
        axes.grid(visible=False, axis="y")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        if one.bars:
            used |= _rows(axes, one)
        else:
            nothing(axes, "no turn in this run")
        axes.set_ylim(max(1, one.rows), 0)
    panels[-1].set_xlim(0, max(map(length_s, chosen), default=0.0) or 1.0)
    panels[-1].set_xlabel("time since the first turn was due (s)")
    for part, (words, colour) in PARTS.items():
        if part in used:
            panels[0].bar(
                [0], [0], color=colour, label=words, hatch=HATCHES.get(part), edgecolor="white", linewidth=0
            )
    left_out = f" The first {MOST_RUNS} runs only." if len(runs) > MOST_RUNS else ""
    frame(
        figure,
        panels[0],
        TITLE,
        f"Each row is a user, the first on top; a staircase of amber is a queue.{left_out}",
    )


def _rows(axes: Axes, found: Lanes) -> set[str]:
    """Draw all bars, one collection a part; the parts that were drawn."""
    shapes = rectangles(found)
    for part, (_, colour) in PARTS.items():
        if shapes[part]:
            axes.add_collection(
                PolyCollection(
                    [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, x1, y0, y1 in shapes[part]],
                    facecolors=colour,
                    edgecolors="white" if part in HATCHES else "none",
                    linewidths=0,
                    hatch=HATCHES.get(part),
                    rasterized=len(found.bars) > 2000,
                    label=f"_{part}",
                )
            )
    return {part for part in PARTS if shapes[part]}


def rectangles(found: Lanes) -> dict[str, list[Rectangle]]:
    """{part: (x from, x to, y from, y to) of each piece}: what is drawn."""
    shapes: dict[str, list[Rectangle]] = {part: [] for part in PARTS}
    for row, start, end in found.thinking():
        shapes["think"].append((start, end, row + 0.42, row + 0.58))
    for bar in found.bars:
        for part, shape in _of_bar(bar):
            shapes[part].append(shape)
    return shapes


def _of_bar(bar: Bar) -> Iterator[tuple[str, Rectangle]]:
    for part, start, end in pieces(bar):
        if end > start:
            yield part, (start, end, bar.row + 0.08, bar.row + 0.92)
