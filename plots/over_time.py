"""A run as it went: TTFT, tokens/s, users and turns in flight over one time axis."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from chatload.analysis import pictures
from chatload.analysis.series import (
    failed_s,
    in_flight,
    length_s,
    medians,
    start_ns,
    step_s,
    tokens_per_step,
    ttft_points,
    users_in,
)
from chatload.store.journal import Run
from plots.style import Look, frame, log_axis, looks, nothing, thousands

TITLE = pictures.OVER_TIME


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Three panels over s since the first due turn."""
    figure.set_size_inches(9, 8.5)
    waiting, speed, load = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    length = max(map(length_s, runs), default=0.0)
    width_s = step_s(length)
    for run, look in zip(runs, looks(runs), strict=True):
        if run.turns:
            _waiting(waiting, run, look, width_s)
            _speed(speed, run, look, width_s)
            _load(load, run, look)
        else:
            waiting.plot([], [], color=look.colour, label=f"{look.name}: no turn")
    if not length:
        nothing(speed, "no turn in these runs")
    waiting.set_ylabel("TTFT (ms)")
    speed.set_ylabel("tokens/s, all users")
    load.set_ylabel("users and turns")
    load.set_xlabel("time since the first turn was due (s)")
    waiting.set_title(f"dots: turns when sent · line: median of {width_s} s")
    speed.set_title(f"output tokens that arrived, in steps of {width_s} s")
    load.set_title("thick line: users in · filled: turns in flight")
    for axes in (speed, load):
        axes.set_ylim(bottom=0)
        thousands(axes.yaxis)
    waiting_ms = [ms for run in runs for _, ms in ttft_points(run)]
    if waiting_ms and max(waiting_ms) > 50 * max(min(waiting_ms), 0.01):
        log_axis(waiting.yaxis)
    else:
        waiting.set_ylim(bottom=0)
        thousands(waiting.yaxis)
    load.set_xlim(0, length or 1.0)
    frame(figure, waiting, TITLE, "Crosses on the lower edge: failed turns, at the time they were due.")


def _waiting(axes: Axes, run: Run, look: Look, width_s: int) -> None:
    points = ttft_points(run)
    if points:
        times, values = zip(*points, strict=True)
        alpha = min(0.35, max(0.03, 1000 / len(points)))
        axes.scatter(
            times, values, s=14 if len(points) < 2000 else 4, color=look.colour, marker=look.marker, alpha=alpha,
            linewidths=0, rasterized=len(points) > 500,
        )  # fmt: skip
        axes.plot(
            *medians(points, width_s), color=look.colour, linestyle=look.line, label=look.name,
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )  # fmt: skip
    failed = failed_s(run)
    if failed:
        axes.plot(
            failed, [0.015] * len(failed), transform=axes.get_xaxis_transform(), color=look.colour, marker="x",
            markersize=7, linestyle="none", clip_on=False, label=f"{look.name}: {len(failed):,} failed",
        )  # fmt: skip


def _speed(axes: Axes, run: Run, look: Look, width_s: int) -> None:
    edges_s, rates = tokens_per_step(run, width_s)
    axes.stairs(
        rates, edges_s, color=look.colour, linestyle=look.line, linewidth=2, baseline=None, label=look.name
    )


def _load(axes: Axes, run: Run, look: Look) -> None:
    zero = start_ns(run)
    times, users = users_in(run)
    axes.step(
        [(at - zero) / 1e9 for at in times], users, where="post", color=look.colour, linestyle=look.line
    )
    times, flying = in_flight(run)
    axes.fill_between(
        [(at - zero) / 1e9 for at in times], flying, step="post", color=look.colour, alpha=0.12, linewidth=0,
        rasterized=len(times) > 5000,
    )  # fmt: skip
    axes.step(
        [(at - zero) / 1e9 for at in times], flying, where="post", color=look.colour, linewidth=0.8, alpha=0.8,
        rasterized=len(times) > 5000,
    )  # fmt: skip
