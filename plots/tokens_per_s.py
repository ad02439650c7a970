"""Speed of each conversation, the slowest first: felt (the wait counts) and decode (once it writes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import DECODE, FELT
from chatload.analysis.series import speeds, thinned
from chatload.model.metrics import decode_tokens_per_s, felt_tokens_per_s
from chatload.model.turn import Turn
from chatload.store.journal import Run
from plots.style import Look, level_line, looks, nothing, show, slos_on

TITLE = "How fast does each conversation read?"
NOTE = "Line: mean over a conversation's turns. Band: its slowest to its fastest turn. Good turns only."


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """tokens/s (y) of the conversations from the slowest (x = 0 %) to the fastest (100 %)."""
    figure.set_size_inches(9.5, 5.2)
    felt, decode = figure.subplots(1, 2, sharey=True)
    for run, look in zip(runs, looks(runs), strict=True):
        lowest = [_draw(felt, run, look, felt_tokens_per_s), _draw(decode, run, look, decode_tokens_per_s)]
        told = [
            f"{words} {least:.3g}" for words, least in zip(("felt", "decode"), lowest, strict=True) if least
        ]
        words = f"lowest: {', '.join(told)}" if told else "no good turn"
        felt.plot([], [], label=f"{look.name}: {words}", **look.marked)
    keys = ("felt_tokens_per_s", "decode_tokens_per_s")
    for axes, quantity, key in zip((felt, decode), (FELT, DECODE), keys, strict=True):
        show(axes, quantity, quantity.formula)
        for one in slos_on(runs, key):
            level_line(axes, one.limit, f"SLO {one.words}")
        axes.set_xlabel("conversations, slowest to fastest (%)")
        axes.set_xlim(-2, 102)
        axes.set_ylim(bottom=0)
        if not any(len(line.get_xdata()) for line in axes.lines):
            nothing(axes, "no speed in these runs")


def _draw(axes: Axes, run: Run, look: Look, of: Callable[[Turn], float | None]) -> float | None:
    """One run's conversations; the speed of its slowest turn."""
    found = speeds(run, of)
    if not found:
        return None
    keep = thinned(len(found))
    shares = [100.0 * i / max(1, len(found) - 1) for i in keep]
    means = [found[i].mean for i in keep]
    axes.plot(shares, means, markersize=4, markevery=max(1, len(keep) // 12), **look.marked)
    least, most = [found[i].least for i in keep], [found[i].most for i in keep]
    axes.fill_between(shares, least, most, color=look.colour, alpha=0.15, linewidth=0)
    return min(least)
