"""Event gaps: the usual ones (above) and the rare long ones (below)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import GAP
from chatload.analysis.series import LEAST_US, gap_counts, histogram, longer, low_end_ms, thinned
from chatload.model.stalls import DEFAULT_RULE
from chatload.model.words import percent
from chatload.render.text_table import seconds
from chatload.store.journal import Run
from plots.style import Look, limit_line, log_axis, looks, nothing, tell

TITLE = "How evenly does the text flow?"
NOTE = "Event gap: time between two events of a reply; an event may bring several tokens. Good turns of the whole run."

NEARLY_ALL = 0.995
"""Of the gaps: if fewer are more than 0, the legend says so."""
STALL_MS = 1000 * DEFAULT_RULE.limit_s
"""A gap that is a stall in any reply; its line is left out where no gap comes near it."""


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Histogram of all event gaps of good turns, and the share of gaps at least x long, both on log axes."""
    figure.set_size_inches(9, 7)
    usual, rare = figure.subplots(2, 1, sharex=True)
    every = [gap_counts(run) for run in runs]
    apart = [of_reads(counts) for counts in every]
    found = [counts for counts in every if counts]
    for counts, own, look in zip(every, apart, looks(runs), strict=True):
        if counts:
            _usual(usual, counts, own, look)
            _rare(rare, counts, look)
        else:
            usual.plot([], [], label=f"{look.name}: no gap", **look.line)
    log_axis(usual.xaxis)
    log_axis(rare.xaxis)
    if any(max(counts) > 0 for counts in found):
        usual.set_xlim(*_ends([counts for counts in apart if counts] or found))
    if rare.lines:
        log_axis(rare.yaxis)
        rare.yaxis.get_major_locator().set_params(subs=(1.0,))
        if max(max(counts) for counts in found) / 1000 > STALL_MS / 2:
            limit_line(usual, STALL_MS, "")
            limit_line(rare, STALL_MS, "stall")
    else:
        nothing(rare, "no gap in these runs")
    usual.set_ylabel("share of gaps (%)")
    usual.set_ylim(bottom=0)
    rare.set_ylabel("gaps at least so long (%)")
    rare.set_xlabel(GAP.axis)


def of_reads(counts: Counter[int]) -> Counter[int]:
    """The gaps between reads: without those of events that came in one read, which are 0."""
    return Counter({gap: n for gap, n in counts.items() if gap > LEAST_US})


def _ends(found: Sequence[Counter[int]]) -> tuple[float, float]:
    """Where the axis of gaps begins and ends, in ms; it spans a factor of two or more, the gaps in its middle."""
    low, high = min(map(low_end_ms, found)), max(max(counts) for counts in found) / 1000
    if high < 2 * low:
        low, high = (low * high / 2) ** 0.5, (low * high * 2) ** 0.5
    return low / 1.2, high * 1.2


def _usual(axes: Axes, counts: Counter[int], own: Counter[int], look: Look) -> None:
    edges_ms, shares = histogram(own or counts)
    apart = sum(own.values()) / sum(counts.values())
    if own:
        shares = [apart * share for share in shares]
    at_once = f", {percent(1 - apart)} are 0 (events of one read)" if own and apart < NEARLY_ALL else ""
    label = f"{look.name}: {sum(counts.values()):,} gaps, longest {max(counts) / 1000:,.0f} ms{at_once}"
    outline = np.where(np.array(shares) > 0, shares, np.nan)  # no line along the axis where there is no gap
    axes.stairs(outline, edges_ms, linewidth=2, baseline=None, label=label, **look.line)
    axes.stairs(shares, edges_ms, color=look.colour, alpha=0.12, fill=True)


def _rare(axes: Axes, counts: Counter[int], look: Look) -> None:
    gaps_ms, shares = longer(counts)
    keep = thinned(len(gaps_ms), 4000)
    axes.plot([gaps_ms[i] for i in keep], [shares[i] for i in keep], drawstyle="steps-pre", **look.line)
    (mark,) = axes.plot(gaps_ms[-1:], shares[-1:], markersize=7, **look.marked)
    tell(mark, [f"{look.name}: longest gap {seconds(gaps_ms[-1])}"])
