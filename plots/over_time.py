"""A run as it went: TTFT, tokens/s, users and turns in flight over one time axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from chatload.meter.timing import ttft_ms
from chatload.record.journal import Run
from chatload.report.aggregate import is_failed, token_arrivals
from plots.style import Look, frame, log_axis, looks, nothing, thousands

TITLE = "Does the server hold up while users come and go?"
STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
MOST_STEPS = 120


def draw(runs: Sequence[Run], figure: Figure) -> None:
    """Three panels over s since the first due turn."""
    figure.set_size_inches(9, 8.5)
    waiting, speed, load = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    length_s = max((_length_s(run) for run in runs), default=0.0)
    width_s = step_s(length_s)
    for run, look in zip(runs, looks(runs), strict=True):
        if run.turns:
            _waiting(waiting, run, look, width_s)
            _speed(speed, run, look, width_s)
            _load(load, run, look)
        else:
            waiting.plot([], [], color=look.colour, label=f"{look.name}: no turn")
    if not length_s:
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
    waiting_ms = [ms for run in runs for turn in run.turns if turn.ok and (ms := ttft_ms(turn)) is not None]
    if waiting_ms and max(waiting_ms) > 50 * max(min(waiting_ms), 0.01):
        log_axis(waiting.yaxis)
    else:
        waiting.set_ylim(bottom=0)
        thousands(waiting.yaxis)
    load.set_xlim(0, length_s or 1.0)
    frame(figure, waiting, TITLE, "Crosses on the lower edge: failed turns, at the time they were due.")


def _length_s(run: Run) -> float:
    return (max(turn.end_ns for turn in run.turns) - run.turns[0].due_ns) / 1e9 if run.turns else 0.0


def step_s(length_s: float) -> int:
    """The width of a step in s: the least that makes no more than MOST_STEPS of them."""
    return next((step for step in STEPS_S if length_s <= step * MOST_STEPS), STEPS_S[-1])


def _waiting(axes: Axes, run: Run, look: Look, width_s: int) -> None:
    start_ns = run.turns[0].due_ns
    points = [
        ((turn.sent_ns - start_ns) / 1e9, ms)
        for turn in run.turns
        if turn.ok and turn.sent_ns is not None and (ms := ttft_ms(turn)) is not None
    ]
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
    failed = [(turn.due_ns - start_ns) / 1e9 for turn in run.turns if is_failed(turn)]
    if failed:
        axes.plot(
            failed, [0.015] * len(failed), transform=axes.get_xaxis_transform(), color=look.colour, marker="x",
            markersize=7, linestyle="none", clip_on=False, label=f"{look.name}: {len(failed):,} failed",
        )  # fmt: skip


def medians(points: Iterable[tuple[float, float]], width_s: int) -> tuple[list[float], list[float]]:
    """(middles of the steps in s, median of the values in each); steps without a value are left out."""
    steps: dict[int, list[float]] = {}
    for at_s, value in points:
        steps.setdefault(int(at_s // width_s), []).append(value)
    kept = sorted(steps)
    return [(step + 0.5) * width_s for step in kept], [median(steps[step]) for step in kept]


def _speed(axes: Axes, run: Run, look: Look, width_s: int) -> None:
    edges_s, rates = tokens_per_step(run, width_s)
    axes.stairs(
        rates, edges_s, color=look.colour, linestyle=look.line, linewidth=2, baseline=None, label=look.name
    )


def tokens_per_step(run: Run, width_s: int) -> tuple[list[float], list[float]]:
    """(edges of the steps in s, tokens/s in each), replies that failed included as far as they came.

    The last step is as long as the run lasts in it, and left out when that is less than half.
    """
    start_ns, length_s = run.turns[0].due_ns, _length_s(run)
    tokens = [0.0] * (int(length_s // width_s) + 1)
    for turn in run.turns:
        for at_ns, n in token_arrivals(turn):
            tokens[int((at_ns - start_ns) // (width_s * 1_000_000_000))] += n
    edges_s = [float(i * width_s) for i in range(len(tokens))] + [length_s]
    if len(tokens) > 1 and edges_s[-1] - edges_s[-2] < width_s / 2:
        tokens.pop()
        edges_s.pop()
    return edges_s, [n / (edges_s[i + 1] - edges_s[i]) for i, n in enumerate(tokens)]


def _load(axes: Axes, run: Run, look: Look) -> None:
    start_ns = run.turns[0].due_ns
    times, users = users_in(run)
    axes.step(
        [(at - start_ns) / 1e9 for at in times], users, where="post", color=look.colour, linestyle=look.line
    )
    times, flying = in_flight(run)
    axes.fill_between(
        [(at - start_ns) / 1e9 for at in times], flying, step="post", color=look.colour, alpha=0.12, linewidth=0,
        rasterized=len(times) > 5000,
    )  # fmt: skip
    axes.step(
        [(at - start_ns) / 1e9 for at in times], flying, where="post", color=look.colour, linewidth=0.8, alpha=0.8,
        rasterized=len(times) > 5000,
    )  # fmt: skip


def users_in(run: Run) -> tuple[list[int], list[int]]:
    """(instants in ns, users in from then on), from the journal's user lines, else from the turns."""
    if run.users:
        return _counted((line["at_ns"], 1 if line["event"] == "in" else -1) for line in run.users)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for turn in run.turns:
        first.setdefault(turn.user, turn.due_ns)
        last[turn.user] = turn.end_ns
    return _counted([*((at, 1) for at in first.values()), *((at, -1) for at in last.values())])


def in_flight(run: Run) -> tuple[list[int], list[int]]:
    """(instants in ns, turns in flight from then on): sent (else due) to end."""
    return _counted(
        change
        for turn in run.turns
        for change in ((turn.due_ns if turn.sent_ns is None else turn.sent_ns, 1), (turn.end_ns, -1))
    )


def _counted(changes: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    times: list[int] = []
    levels: list[int] = []
    level = 0
    for at_ns, change in sorted(changes):
        level += change
        times.append(at_ns)
        levels.append(level)
    return times, levels
