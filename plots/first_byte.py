"""First byte beside TTFT: JMeter's "latency" against what a reader waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from chatload.analysis.series import good_values, thinned
from chatload.model.metrics import metric
from chatload.store.journal import Run
from plots.style import log_axis, looks, nothing

TITLE = "Is the first byte the first token?"
NOTE = "First byte: of the reply's body. What JMeter calls latency ends there. Good turns of the whole run."
STYLES: dict[str, dict[str, Any]] = {
    "first_byte_ms": {"linestyle": (0, (1.2, 0.8)), "linewidth": 5, "alpha": 0.45},
    "ttft_ms": {"linestyle": "-"},
}
"""The first byte is drawn wide below the first token, so that both can be seen where they are the same."""


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Share of good turns (y) whose first byte, or first token, had come after x ms (log)."""
    axes = figure.subplots()
    for run, look in zip(runs, looks(runs), strict=True):
        for key, style in STYLES.items():
            waits_ms, shares = cumulated(run, key)
            if waits_ms:
                label = f"{look.name}: {metric(key).label}, at most {waits_ms[-1]:,.0f} ms"
                (line,) = axes.plot(waits_ms, shares, color=look.colour, label=label, **style)
                line.set_drawstyle("steps-post")
    if axes.lines:
        log_axis(axes.xaxis, (1.0, 3.0))
    else:
        nothing(axes, "no good turn in these runs")
    axes.set_ylim(0, 101)
    axes.set_xlabel("time since the request was sent (ms)")
    axes.set_ylabel("good turns (%)")


def cumulated(run: Run, key: str) -> tuple[list[float], list[float]]:
    """(waits of the metric in ms upwards, share of good turns in % that had waited no longer)."""
    waits_ms = good_values(run.turns, metric(key).value)
    keep = thinned(len(waits_ms))
    return [waits_ms[i] for i in keep], [100 * (i + 1) / len(waits_ms) for i in keep]
