"""Swim-lanes: each user a row, each turn a bar of waiting and streaming, with the stalls marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from chatload.analysis.quantities import IN_FLIGHT, TIME, USERS
from chatload.analysis.series import length_s
from chatload.analysis.swim_lanes import Bar, Lanes, lanes, pieces
from chatload.model.words import plural
from chatload.render.text_table import seconds
from chatload.store.journal import Run
from plots.style import PARTS, looks, nothing, tell

TITLE = "Who waits, and when?"
NOTE = (
    "Each row is a user, or whoever is free where turns of a user overlap. A staircase of amber is a queue."
)
MOST_RUNS = 3
MOST_TOLD = 1500
"""Turns that say their numbers when pointed at; of more, none does."""

WORDS = {
    "wait": "waiting for the first byte",
    "quiet": "first byte, but no token yet",
    "stream": "text streams",
    "stall": "stall",
    "think": "thinking",
    "fail": "failed",
    "late": "sent late by the load generator",
}
HATCHES = {"fail": "////", "late": "...."}
"""Told apart without colour too."""

Rectangle = tuple[float, float, float, float]


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a run (the first three), one below the other over one time axis."""
    chosen = list(runs)[:MOST_RUNS]
    found = [lanes(run) for run in chosen]
    heights = [max(12, one.rows) for one in found]
    figure.set_size_inches(10, min(12, 2.0 + 0.06 * sum(heights) + 0.5 * len(chosen)))
    panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    used: set[str] = set()
    for axes, one, look in zip(panels, found, looks(runs), strict=False):
        some = "" if one.rows == one.of else f", {one.rows:,} of {one.of:,} rows"
        axes.set_title(f"{look.name}{some}")
        axes.set_ylabel(USERS.title if one.users else IN_FLIGHT.title)
        axes.grid(visible=False, axis="y")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        if one.bars:
            used |= _rows(axes, one)
        else:
            nothing(axes, "no turn in this run")
        axes.set_ylim(max(1, one.rows), 0)
    panels[-1].set_xlim(0, max(map(length_s, chosen), default=0.0) or 1.0)
    panels[-1].set_xlabel(TIME.axis)
    for part, words in WORDS.items():
        if part in used:
            hatch = HATCHES.get(part)
            panels[0].bar(
                [0], [0], color=PARTS[part], label=words, hatch=hatch, edgecolor="white", linewidth=0
            )


def _rows(axes: Axes, found: Lanes) -> set[str]:
    """Draw all bars, one collection a part; the parts that were drawn."""
    shapes = rectangles(found)
    for part in WORDS:
        if shapes[part]:
            drawn = _collection(axes, shapes[part], PARTS[part])
            drawn.set(label=f"_{part}", hatch=HATCHES.get(part), rasterized=len(found.bars) > 2000)
            drawn.set_edgecolor("white" if part in HATCHES else "none")
    if len(found.bars) <= MOST_TOLD:
        whole = [(bar.due_s, bar.end_s, *_height(bar)) for bar in found.bars]
        turns = _collection(axes, whole, "none")
        turns.set_label("_turns")
        tell(turns, [told(bar) for bar in found.bars])
    return {part for part in WORDS if shapes[part]}


def _collection(axes: Axes, shapes: Sequence[Rectangle], colour: str) -> PolyCollection:
    corners = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, x1, y0, y1 in shapes]
    drawn = PolyCollection(corners, facecolors=colour, edgecolors="none", linewidths=0)
    axes.add_collection(drawn)
    return drawn


def rectangles(found: Lanes) -> dict[str, list[Rectangle]]:
    """{part: (x from, x to, y from, y to) of each piece}: what is drawn."""
    shapes: dict[str, list[Rectangle]] = {part: [] for part in WORDS}
    for row, start, end in found.thinking():
        shapes["think"].append((start, end, row + 0.42, row + 0.58))
    for bar in found.bars:
        for part, shape in _of_bar(bar):
            shapes[part].append(shape)
    return shapes


def _of_bar(bar: Bar) -> Iterator[tuple[str, Rectangle]]:
    for part, start, end in pieces(bar):
        if end > start:
            yield part, (start, end, *_height(bar))


def _height(bar: Bar) -> tuple[float, float]:
    return bar.row + 0.08, bar.row + 0.92


def told(bar: Bar) -> str:
    """One turn in a sentence."""
    turn = bar.turn
    words = f"user {turn.user} turn {turn.turn}, at {bar.sent_s:.1f} s: "
    if turn.first_token_ns is None:
        return f"{words}{turn.code or 'failed'} after {seconds(1000 * (bar.end_s - bar.sent_s))}"
    words += f"first token after {seconds(1000 * (bar.text_s - bar.sent_s))}, "
    words += f"then {plural(turn.tokens or 0, 'token')} in {seconds(1000 * (bar.end_s - bar.text_s))}"
    if bar.stalls_s:
        longest = max(end - start for start, end in bar.stalls_s)
        words += f", {plural(len(bar.stalls_s), 'stall')} up to {seconds(1000 * longest)}"
    return words if turn.ok else f"{words}, then {turn.code or 'failed'}"
