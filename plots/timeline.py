"""Every reply as a line over time: who waits, who reads, whose text stands still, who was turned away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.loads.open_loop import OpenLoopLoad
from chatload.model.stalls import DEFAULT_RULE, stalls_ms
from chatload.model.turn import Turn
from chatload.store.journal import Run
from plots.style import COLOURS, frame, looks, nothing, thinned

TITLE = "Who waits, who reads, and whose text stands still?"
WAIT, READ, STALL = "#BBBBBB", COLOURS[0], COLOURS[1]
MOST_LINES = 400
MOST_RUNS = 3


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a reply's line, in s since the run's first due."""

    from_s: float
    until_s: float


def fits(runs: Sequence[Run]) -> bool:
    """Whether the picture says anything of these runs."""
    return any(isinstance(run.manifest.load, OpenLoopLoad) and run.manifest.load.interval_s for run in runs)


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """A panel a run (the first three), a line a reply in the order they were due."""
    runs = list(runs)[:MOST_RUNS]
    figure.set_size_inches(10.5, 5.4)
    panels = figure.subplots(1, max(1, len(runs)), sharex=True, squeeze=False)[0]
    for axes, run, look in zip(panels, runs, looks(runs), strict=False):
        axes.set_title(look.name)
        axes.set_xlabel("s since the first turn was due")
        if run.turns:
            _lines(axes, run)
        else:
            nothing(axes, "no turn")
    panels[0].set_ylabel("turns, in the order they were due")
    for words, colour, width in (
        ("waits for its first token", WAIT, 2), ("text arrives", READ, 2), ("text stands still (stall)", STALL, 4),
    ):  # fmt: skip
        panels[0].plot([], [], color=colour, linewidth=width, label=words)
    if any(turn.failed for run in runs for turn in run.turns):
        panels[0].plot([], [], color="black", marker="x", linestyle="none", label="failed")
    note = f"Stall: a gap over {DEFAULT_RULE.limit_s:g} s, or far over the reply's own. Grey begins at the due time."
    frame(figure, panels[0], TITLE, note)


def _lines(axes: Axes, run: Run) -> None:
    begin_ns = run.turns[0].due_ns
    keep = thinned(len(run.turns), MOST_LINES)
    width = max(0.8, min(3.0, 220 / len(keep)))
    for line, place in enumerate(keep):
        turn = run.turns[place]
        waits, reads, stalls = stretches(turn, begin_ns)
        for stretch, colour, wide in (
            *((each, WAIT, 0.6) for each in waits), *((each, READ, 1.0) for each in reads),
            *((each, STALL, 1.6) for each in stalls),
        ):  # fmt: skip
            axes.hlines(
                line, stretch.from_s, stretch.until_s, color=colour, linewidth=width * wide, capstyle="butt"
            )
        if turn.failed:
            axes.plot((turn.end_ns - begin_ns) / 1e9, line, color="black", marker="x", markersize=4)
    axes.set_ylim(len(keep), -1)
    axes.grid(visible=False, axis="y")


def stretches(turn: Turn, begin_ns: int) -> tuple[list[Stretch], list[Stretch], list[Stretch]]:
    """(waiting: due to first token, or to the end where none came; reading: first to last token; stalls)."""

    def seconds(at_ns: int) -> float:
        return (at_ns - begin_ns) / 1e9

    if turn.first_token_ns is None or turn.last_token_ns is None:
        return [Stretch(seconds(turn.due_ns), seconds(turn.end_ns))], [], []
    stalls: list[Stretch] = []
    found = set(stalls_ms(turn))
    at_ns = turn.first_token_ns
    for gap_us in turn.gaps_us:
        if gap_us / 1000 in found:
            stalls.append(Stretch(seconds(at_ns), seconds(at_ns + gap_us * 1000)))
        at_ns += gap_us * 1000
    waits = [Stretch(seconds(turn.due_ns), seconds(turn.first_token_ns))]
    return waits, [Stretch(seconds(turn.first_token_ns), seconds(turn.last_token_ns))], stalls
