"""A sweep over fixed concurrency: tokens/s of all, and of each user, against requests in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from chatload.analysis.quantities import ONE_USER, OUTPUT
from chatload.analysis.sweep_levels import sweep_levels
from chatload.store.journal import Run
from plots.style import HOLLOW, looks, nothing, plain_number, show, thousands

SECTION = "system"
TITLE = "How much more does the server deliver when more users share it?"
NOTE = "Each level from its first request due to its last answered. Good turns only."


@dataclass(frozen=True, slots=True)
class Reference:
    """Somebody else's totals: requests in flight → tokens/s of all."""

    name: str
    totals: Mapping[int, float]


def fits(runs: Sequence[Run]) -> bool:
    """Whether the picture says anything of these runs."""
    return any(sweep_levels(run) for run in runs)


def draw(runs: Sequence[Run], figure: Figure, references: Sequence[Reference] = ()) -> None:
    """Two panels over the level: tokens/s in total, and a level's total / level."""
    figure.set_size_inches(9.5, 4.8)
    total, each = figure.subplots(1, 2)
    every = {place for reference in references for place in reference.totals}
    for run, look in zip(runs, looks(runs), strict=True):
        rows = [row for row in sweep_levels(run) if row.tokens_per_s]
        if not rows:
            total.plot([], [], label=f"{look.name}: no levels", **look.line)
            continue
        every |= {row.in_flight for row in rows}
        places = [row.in_flight for row in rows]
        total.plot(places, [row.tokens_per_s for row in rows], label=look.name, **look.marked)
        each.plot(places, [row.a_user for row in rows], **look.marked)
    for reference in references:
        places = sorted(reference.totals)
        hollow = {**HOLLOW, "marker": "o", "color": "#000000"}
        total.plot(places, [reference.totals[place] for place in places], label=reference.name, **hollow)
        each.plot(places, [reference.totals[place] / place for place in places], **hollow)
    for axes, quantity, detail in ((total, OUTPUT, ""), (each, ONE_USER, "total / in flight")):
        show(axes, quantity, detail)
        axes.set_xlabel("requests in flight")
        highest = max((max(line.get_ydata(), default=0) for line in axes.lines), default=0)
        axes.set_ylim(0, 1.08 * highest or 1.0)
        thousands(axes.yaxis)
        if every:
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(every), [plain_number(level) for level in sorted(every)])
            axes.minorticks_off()
        else:
            nothing(axes, "no levels in these runs")
