"""Event gaps: the usual ones (above) and the rare long ones (below)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis import pictures
from chatload.analysis.series import gap_counts, histogram, longer, low_end_ms
from chatload.model.stalls import DEFAULT_RULE
from chatload.store.journal import Run
from plots.style import MUTED, Look, frame, log_axis, looks, nothing, thinned

TITLE = pictures.GAPS


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Histogram of all event gaps of good turns, and the share of gaps at least x long, both on log axes."""
    figure.set_size_inches(9, 7)
    usual, rare = figure.subplots(2, 1, sharex=True)
    for run, look in zip(runs, looks(runs), strict=True):
        counts = gap_counts(run)
        if counts:
            _usual(usual, counts, look)
            _rare(rare, counts, look)
        else:
            usual.plot([], [], color=look.colour, linestyle=look.line, label=f"{look.name}: no gap")
    log_axis(usual.xaxis)
    log_axis(rare.xaxis)
    found = [counts for run in runs if (counts := gap_counts(run))]
    if found:
        low = min(map(low_end_ms, found))
        usual.set_xlim(low / 1.2, max(max(max(counts) for counts in found) / 1000, 2 * low) * 1.2)
    if rare.lines:
        log_axis(rare.yaxis)
        rare.yaxis.get_major_locator().set_params(subs=(1.0,))
        _stall_limit(usual, rare, max(max(gap_counts(run), default=0) for run in runs) / 1000)
    else:
        nothing(rare, "no gap in these runs")
    usual.set_ylabel("share of gaps (%)")
    usual.set_ylim(bottom=0)
    rare.set_ylabel("gaps at least so long (%)")
    rare.set_xlabel("gap between consecutive token-bearing events (ms)")
    note = "All gaps of good turns; the shortest 0.5 % may lie left of the picture. An event may bring several tokens."
    frame(figure, usual, TITLE, note)


def _stall_limit(usual: Axes, rare: Axes, longest_ms: float) -> None:
    """Where a gap is a stall in any reply; left out when no gap comes near it."""
    limit_ms = DEFAULT_RULE.limit_s * 1000
    if longest_ms < limit_ms / 2:
        return
    for axes in (usual, rare):
        axes.axvline(limit_ms, color=MUTED, linewidth=1.2, linestyle=(0, (2, 3)), zorder=0)
    rare.annotate(
        "stall", (limit_ms, 1), xycoords=("data", "axes fraction"), xytext=(4, -12), textcoords="offset points",
        color=MUTED, fontsize=10,
    )  # fmt: skip


def _usual(axes: Axes, counts: Counter[int], look: Look) -> None:
    edges_ms, shares = histogram(counts)
    label = f"{look.name}: {sum(counts.values()):,} gaps, longest {max(counts) / 1000:,.0f} ms"
    outline = np.where(np.array(shares) > 0, shares, np.nan)  # no line along the axis where there is no gap
    axes.stairs(
        outline, edges_ms, color=look.colour, linestyle=look.line, linewidth=2, baseline=None, label=label
    )
    axes.stairs(shares, edges_ms, color=look.colour, alpha=0.12, fill=True)


def _rare(axes: Axes, counts: Counter[int], look: Look) -> None:
    gaps_ms, shares = longer(counts)
    keep = thinned(len(gaps_ms), 4000)
    axes.plot(
        [gaps_ms[i] for i in keep], [shares[i] for i in keep], drawstyle="steps-pre", color=look.colour,
        linestyle=look.line,
    )  # fmt: skip
    axes.plot(gaps_ms[-1:], shares[-1:], color=look.colour, marker=look.marker, markersize=7)
