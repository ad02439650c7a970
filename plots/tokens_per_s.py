"""Speed of each conversation, the slowest first: felt (the wait counts) and decode (once it writes)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import DECODE, FELT
from chatload.analysis.series import Speed, speeds, thinned
from chatload.model.metrics import decode_tokens_per_s, felt_tokens_per_s
from chatload.store.journal import Run
from plots.style import Look, level_line, looks, nothing, show, slos_on

TITLE = "How fast does each conversation read?"
NOTE = "Line: mean over a conversation's turns. Band: its slowest to its fastest turn. Good turns of the whole run."
FAR = 3.0
"""A turn so many times as fast as the fastest of a usual conversation does not stretch the axis."""


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """tokens/s (y) of the conversations from the slowest (x = 0 %) to the fastest (100 %)."""
    figure.set_size_inches(9.5, 5.2)
    felt, decode = figure.subplots(1, 2, sharey=True)
    found = [(speeds(run, felt_tokens_per_s), speeds(run, decode_tokens_per_s)) for run in runs]
    cut = _cut([one for both in found for one in both if one])
    for both, look in zip(found, looks(runs), strict=True):
        for axes, one in zip((felt, decode), both, strict=True):
            _curve(axes, one, look)
        told = [
            f"{words} {min(speed.least for speed in one):.3g}"
            for words, one in zip(("felt", "decode"), both, strict=True)
            if one
        ]
        words = f"lowest: {', '.join(told)}" if told else "no good turn"
        fastest = max((speed.most for one in both for speed in one), default=0.0)
        words += f"; fastest turn {fastest:,.0f}, beyond the axis" if fastest > cut else ""
        felt.plot([], [], label=f"{look.name}: {words}", **look.marked)
    keys = ("felt_tokens_per_s", "decode_tokens_per_s")
    for axes, quantity, key in zip((felt, decode), (FELT, DECODE), keys, strict=True):
        show(axes, quantity, quantity.formula)
        asked = slos_on(runs, key)
        for slo in asked:
            level_line(axes, slo.limit, f"SLO {slo.words}")
        axes.set_xlabel("conversations, slowest to fastest (%)")
        axes.set_xlim(-2, 102)
        axes.set_ylim(bottom=0)
        if cut < math.inf:
            axes.set_ylim(top=max(cut, *(1.1 * slo.limit for slo in asked), 0.0))
        if not any(len(line.get_xdata()) for line in axes.lines):
            nothing(axes, "no speed in these runs")


def _cut(every: Sequence[Sequence[Speed]]) -> float:
    """Where the axis ends, in tokens/s, if few turns are far faster than all others; else infinity."""
    usual = max((median(speed.most for speed in one) for one in every), default=0.0)
    near = [speed.most for one in every for speed in one if speed.most <= FAR * usual]
    return 1.1 * max(near) if near and len(near) < sum(map(len, every)) else math.inf


def _curve(axes: Axes, found: Sequence[Speed], look: Look) -> None:
    """One run's conversations."""
    if not found:
        return
    keep = thinned(len(found))
    shares = [100.0 * i / max(1, len(found) - 1) for i in keep]
    means = [found[i].mean for i in keep]
    axes.plot(shares, means, markersize=4, markevery=max(1, len(keep) // 12), **look.marked)
    least, most = [found[i].least for i in keep], [found[i].most for i in keep]
    axes.fill_between(shares, least, most, color=look.colour, alpha=0.15, linewidth=0)
