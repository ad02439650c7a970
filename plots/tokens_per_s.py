"""Speed of each conversation, the slowest first: felt (the wait counts) and decode (once it writes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis import pictures
from chatload.analysis.series import speeds
from chatload.model.metrics import decode_tokens_per_s, felt_tokens_per_s
from chatload.model.turn import Turn
from chatload.store.journal import Run
from plots.style import Look, frame, looks, nothing, thinned

TITLE = pictures.SPEEDS


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """tokens/s (y) of the conversations from the slowest (x = 0 %) to the fastest (100 %)."""
    figure.set_size_inches(9.5, 5.2)
    felt, decode = figure.subplots(1, 2, sharey=True)
    for run, look in zip(runs, looks(runs), strict=True):
        _draw(felt, run, look, felt_tokens_per_s)
        _draw(decode, run, look, decode_tokens_per_s)
    for axes, words in (
        (felt, "felt: tokens / E2E, the wait included"),
        (decode, "decode: 1 / TPOT, after the first token"),
    ):
        axes.set_title(words)
        axes.set_xlabel("conversations, slowest to fastest (%)")
        axes.set_ylabel("tokens/s of one user")
        axes.set_xlim(-2, 102)
        axes.set_ylim(bottom=0)
        if not any(len(line.get_xdata()) for line in axes.lines):
            nothing(axes, "no speed in these runs")
    note = "Line: mean over a conversation's turns. Band: its slowest to its fastest turn. Good turns only."
    frame(figure, felt, TITLE, note)


def _draw(axes: Axes, run: Run, look: Look, of: Callable[[Turn], float | None]) -> None:
    found = speeds(run, of)
    if not found:
        axes.plot([], [], color=look.colour, linestyle=look.line, label=f"{look.name}: no good turn")
        return
    keep = thinned(len(found))
    shares = [100.0 * i / max(1, len(found) - 1) for i in keep]
    label = f"{look.name}: lowest {min(speed.least for speed in found):.3g}"
    axes.plot(
        shares, [found[i].mean for i in keep], color=look.colour, linestyle=look.line, marker=look.marker,
        markersize=4, markevery=max(1, len(keep) // 12), label=label,
    )  # fmt: skip
    axes.fill_between(
        shares,
        [found[i].least for i in keep],
        [found[i].most for i in keep],
        color=look.colour,
        alpha=0.15,
        linewidth=0,
    )
