"""The server's own /metrics over the run, beside the turns that the client had in flight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatload.analysis.quantities import IN_FLIGHT, TIME, Quantity
from chatload.analysis.series import in_flight, length_s, steps_s
from chatload.analysis.server_readings import stretches
from chatload.analysis.servers import by_host
from chatload.store.journal import Run
from plots.style import Look, looks, nothing, show, thousands

SECTION = "server"
TITLE = "Does the server see what its users see?"
NOTE = (
    "Read every 2 s from the server’s /metrics page, which counts every client’s requests. No line where nothing new "
    "was read."
)
PANELS = (
    (Quantity("requests running", "count"), f"filled: {IN_FLIGHT.title}, as the client saw them"),
    (Quantity("requests waiting", "count"), ""),
    (Quantity("KV cache in use", "%"), ""),
    (Quantity("time in queue", "ms"), "mean of the requests that left it"),
)
KEYS = ("running", "waiting", "kv_use")


def fits(runs: Sequence[Run]) -> bool:
    """Whether the picture says anything of these runs."""
    return any(run.server for run in runs)


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Four panels over time: running, waiting, KV cache in use, mean time in the queue."""
    figure.set_size_inches(9.5, 9)
    panels = figure.subplots(4, 1, sharex=True, height_ratios=(3, 3, 2, 2))
    running, waiting, kv_use, queue = panels
    runs = [part for run in runs for part in by_host(run).values()]
    for run, look in zip(runs, looks(runs), strict=True):
        told = any(stretches(run, key) for key in KEYS)
        words = look.name if told else f"{look.name}: told nothing"
        _plot(running, stretches(run, "running"), look, words)
        _plot(waiting, stretches(run, "waiting"), look)
        _plot(kv_use, stretches(run, "kv_use"), look, scale=100)
        _plot(queue, queue_ms(run), look)
        if told:
            _in_flight(running, run, look)
    for axes, (quantity, detail) in zip(panels, PANELS, strict=True):
        show(axes, quantity, detail)
        if not any(len(line.get_xdata()) for line in axes.lines):
            nothing(axes, "the server did not tell")
        axes.set_ylim(bottom=0)
        thousands(axes.yaxis)
    queue.set_xlabel(TIME.axis)
    queue.set_xlim(0, max(map(length_s, runs), default=0.0) or 1.0)


def queue_ms(run: Run) -> list[list[tuple[float, float]]]:
    """(s of the reading, mean ms in the queue of the requests that left it since the one before), cut at holes."""
    counts = [dict(part) for part in stretches(run, "queued")]
    found = []
    for part, counted in zip(stretches(run, "queue_s"), counts, strict=False):
        found.append(
            [
                (now, 1000 * (spent - before_s) / (counted[now] - counted[before]))
                for (before, before_s), (now, spent) in pairwise(part)
                if before in counted and counted.get(now, 0) > counted[before] and spent >= before_s
            ]
        )
    return [points for points in found if points]


def _plot(
    axes: Axes,
    parts: Sequence[Sequence[tuple[float, float]]],
    look: Look,
    label: str | None = None,
    scale: float = 1.0,
) -> None:
    """One line, interrupted where nothing was read; a reading that stands alone is a dot."""
    times = [at for part in parts for at in (*(at for at, _ in part), math.nan)][:-1]
    values = [one for part in parts for one in (*(scale * value for _, value in part), math.nan)][:-1]
    axes.plot(times, values, label=label, **look.line)
    alone = [part[0] for part in parts if len(part) == 1]
    if alone:
        axes.plot(
            [at for at, _ in alone],
            [scale * value for _, value in alone],
            ".",
            color=look.colour,
            markersize=5,
        )


def _in_flight(axes: Axes, run: Run, look: Look) -> None:
    times, flying = steps_s(run, *in_flight(run))
    axes.fill_between(times, flying, step="post", color=look.colour, alpha=0.15, linewidth=0)
