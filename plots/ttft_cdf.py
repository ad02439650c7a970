"""TTFT distribution: failed turns never answered, so a run with failures ends below 100 %."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from chatload.analysis import pictures
from chatload.analysis.quantiles import interval_ranks, percentile
from chatload.model.metrics import ttft_ms
from chatload.store.journal import Run
from plots.style import MUTED, frame, log_axis, looks, nothing, thinned, thousands

TITLE = pictures.TTFT


@dataclass(frozen=True, slots=True)
class Limit:
    """A TTFT to hold the runs against, and what to call it."""

    words: str
    ms: float


def draw(runs: Sequence[Run], figure: Figure, limits: Sequence[Limit] = ()) -> None:
    """Share of all finished turns (y, %) whose first token came within x ms."""
    axes = figure.subplots()
    widest, good = 1.0, 0
    for run, look in zip(runs, looks(runs), strict=True):
        times = sorted(ms for turn in run.turns if turn.ok and (ms := ttft_ms(turn)) is not None)
        failed = sum(turn.failed for turn in run.turns)
        good += len(times)
        label = _words(look.name, times, failed)
        axes.plot(
            [], [], color=look.colour, linestyle=look.line, marker=look.marker, markersize=8, label=label
        )
        if not times:
            continue
        finished = len(times) + failed
        keep = thinned(len(times))
        xs = [times[0], *(times[i] for i in keep)]
        ys = [0.0, *(100.0 * (i + 1) / finished for i in keep)]
        axes.plot(xs, ys, drawstyle="steps-post", color=look.colour, linestyle=look.line)
        if interval_ranks(len(times), 0.95) is not None:
            share = 95.0 * len(times) / finished
            axes.plot([percentile(times, 0.95)], [share], marker=look.marker, markersize=8, color=look.colour)
        widest = max(widest, times[-1] / max(times[0], 1e-3))
    if not good:
        nothing(axes, "no good turn in these runs")
    ends = [limit.ms for limit in limits]
    if good and (widest > 50 or (ends and max(ends) > 20 * axes.dataLim.x0)):
        log_axis(axes.xaxis)
    else:
        axes.set_xlim(left=0)
        thousands(axes.xaxis)
    if ends:
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, min(ends) / 1.2), max(right, max(ends) * 1.6))
    for limit in limits:
        axes.axvline(limit.ms, color=MUTED, linewidth=1.4, linestyle=(0, (5, 2)), zorder=1)
        axes.annotate(
            limit.words, (limit.ms, 0.03), xycoords=("data", "axes fraction"), xytext=(4, 0), rotation=90,
            textcoords="offset points", fontsize=9, color=MUTED, va="bottom",
        )  # fmt: skip
    for share in (50, 95):
        axes.axhline(share, color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    axes.set_ylim(0, 102)
    axes.set_yticks([0, 25, 50, 75, 95, 100])
    axes.set_xlabel("TTFT: sent to first token (ms)")
    axes.set_ylabel("turns answered by then (%)")
    note = "Marked: p95 of good turns. Failed turns never answer: they keep a curve below 100 %."
    frame(figure, axes, TITLE, note)


def _words(name: str, times: list[float], failed: int) -> str:
    if not times:
        words = f"{name}: no good turn"
    elif interval_ranks(len(times), 0.95) is None:
        words = f"{name}: {len(times)} good, too few for p95"
    else:
        words = f"{name}: p95 {percentile(times, 0.95):,.0f} ms"
    return f"{words}, {failed:,} failed" if failed else words
