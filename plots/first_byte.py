"""First byte beside TTFT: JMeter's "latency" against what a reader waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from chatload.model.metrics import first_byte_ms, ttft_ms
from chatload.model.turn import Turn
from chatload.store.journal import Run
from plots.style import frame, log_axis, looks, nothing, thinned

TITLE = "Is the first byte the first token?"


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Share of good turns (y) whose first byte, or first token, had come after x ms (log)."""
    axes = figure.subplots()
    for run, look in zip(runs, looks(runs), strict=True):
        for words, of, line in (("first byte", first_byte_ms, "--"), ("first token (TTFT)", ttft_ms, "-")):
            waits_ms, shares = cumulated(run, of)
            if waits_ms:
                label = f"{look.name}: {words}, at most {waits_ms[-1]:,.0f} ms"
                axes.plot(
                    waits_ms, shares, color=look.colour, linestyle=line, drawstyle="steps-post", label=label
                )
    if axes.lines:
        log_axis(axes.xaxis)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    else:
        nothing(axes, "no good turn in these runs")
    axes.set_ylim(0, 101)
    axes.set_xlabel("time since the request was sent (ms)")
    axes.set_ylabel("good turns (%)")
    frame(figure, axes, TITLE, "First byte: of the reply's body. What JMeter calls latency ends there.")


def cumulated(run: Run, of: Callable[[Turn], float | None]) -> tuple[list[float], list[float]]:
    """(waits in ms upwards, share of good turns in % that had waited no longer)."""
    waits_ms = sorted(wait for turn in run.turns if turn.ok and (wait := of(turn)) is not None)
    keep = thinned(len(waits_ms))
    return [waits_ms[i] for i in keep], [100 * (i + 1) / len(waits_ms) for i in keep]
