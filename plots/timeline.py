"""Every reply as a line over time: who waits, who reads, whose text stands still, who was turned away."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import TIME
from chatload.analysis.series import thinned
from chatload.analysis.swim_lanes import stall_spans
from chatload.model.stalls import DEFAULT_RULE
from chatload.model.turn import Turn
from chatload.store.journal import Run
from plots.intervals import fits as fits
from plots.style import COLOURS, PARTS, looks, nothing, whole_ticks

TITLE = "Who waits, who reads, and whose text stands still?"
NOTE = (
    f"Stall: a gap over {DEFAULT_RULE.limit_s:g} s, or far over the reply's own. Grey begins at the due time."
)
LINES = (
    ("waits for its first token", PARTS["think"], 0.6),
    ("text arrives", COLOURS[0], 1.0),
    ("text stands still (stall)", COLOURS[1], 1.6),
)
"""What a line is made of: words, colour, relative width."""

MOST_LINES = 400
MOST_RUNS = 3

Stretch = tuple[float, float]
"""A part of a reply's line: from and until, in s since the run's first due."""


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a run (the first three), a line a reply in the order they were due."""
    figure.set_size_inches(10.5, 5.4)
    panels = figure.subplots(1, max(1, len(runs[:MOST_RUNS])), sharex=True, squeeze=False)[0]
    for axes, run, look in zip(panels, runs, looks(runs), strict=False):
        axes.set_title(look.name)
        axes.set_xlabel(TIME.axis)
        whole_ticks(axes.yaxis)
        if run.turns:
            _lines(axes, run)
        else:
            nothing(axes, "no turn")
    panels[0].set_ylabel("turns, in the order they were due")
    for words, colour, wide in LINES:
        panels[0].plot([], [], color=colour, linewidth=3 * wide, label=words)
    if any(turn.failed for run in runs for turn in run.turns):
        panels[0].plot([], [], color="black", marker="x", linestyle="none", label="failed")


def _lines(axes: Axes, run: Run) -> None:
    begin_ns = run.turns[0].due_ns
    shown = [run.turns[place] for place in thinned(len(run.turns), MOST_LINES)]
    width = max(0.8, min(3.0, 220 / len(shown)))
    every = [stretches(turn, begin_ns) for turn in shown]
    for part, (_, colour, wide) in enumerate(LINES):
        places = [(line, *stretch) for line, parts in enumerate(every) for stretch in parts[part]]
        if places:
            axes.hlines(*zip(*places, strict=True), color=colour, linewidth=width * wide, capstyle="butt")
    failed = [((turn.end_ns - begin_ns) / 1e9, line) for line, turn in enumerate(shown) if turn.failed]
    if failed:
        axes.plot(*zip(*failed, strict=True), color="black", marker="x", markersize=4, linestyle="none")
    axes.set_ylim(len(shown), -1)
    axes.grid(visible=False, axis="y")


def stretches(turn: Turn, begin_ns: int) -> tuple[list[Stretch], list[Stretch], list[Stretch]]:
    """(waiting: due to first token, or to the end where none came; reading: first to last token; stalls)."""

    def seconds(at_ns: int) -> float:
        return (at_ns - begin_ns) / 1e9

    due = seconds(turn.due_ns)
    if turn.first_token_ns is None or turn.last_token_ns is None:
        return [(due, seconds(turn.end_ns))], [], []
    first, last = seconds(turn.first_token_ns), seconds(turn.last_token_ns)
    return [(due, first)], [(first, last)], list(stall_spans(turn, begin_ns))
