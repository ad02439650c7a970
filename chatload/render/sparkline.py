"""A row of small bars in the terminal: how a number went over the run, each bar a step of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from chatload.analysis.series import in_flight, length_s, start_ns, tokens_per_step, ttft_points
from chatload.model.summary import Summary
from chatload.render.blocks import Printed, Section
from chatload.render.text_table import number
from chatload.store.journal import Run

BARS = "▁▂▃▄▅▆▇█"
NOTHING = "·"
MOST_STEPS = 44


def sparkline(values: Sequence[float | None], top: float | None = None) -> str:
    """One bar a value, from 0 to `top` (the largest value); “·” where there is none."""
    highest = top if top is not None else max((value for value in values if value is not None), default=0.0)
    return "".join(NOTHING if value is None else _bar(value, highest) for value in values)


def _bar(value: float, highest: float) -> str:
    if highest <= 0:
        return BARS[0]
    return BARS[min(len(BARS) - 1, int(len(BARS) * value / highest))]


def over_time(run: Run, summary: Summary) -> Section | None:
    """The section “Over the run”: TTFT, tokens/s and turns in flight as rows of bars, with their range."""
    length = length_s(run)
    if length < 2.0 or len(run.turns) < 10:
        return None
    width = max(1, -(-int(length) // MOST_STEPS))
    steps = max(1, round(length / width))
    rows: list[tuple[str, Sequence[float | None]]] = [
        ("TTFT p50, ms", _each(ttft_points(run), steps, width, median)),
        ("tokens/s", [*tokens_per_step(run, width)[1]][:steps]),
        ("in flight", _levels(run, steps, width)),
    ]
    lines = []
    for words, values in rows:
        known = [value for value in values if value is not None]
        if known:
            lines.append(f"{words:<14}{sparkline(values)}  {number(min(known))} … {number(max(known))}")
    title = f"Over the run: each bar {width} s, from 0 to the highest"
    return Section(title, [Printed("\n".join(lines))])


def _each(
    points: Iterable[tuple[float, float]], steps: int, width: int, of: Callable[[Sequence[float]], float]
) -> list[float | None]:
    found: list[list[float]] = [[] for _ in range(steps)]
    for at_s, value in points:
        found[min(steps - 1, max(0, int(at_s / width)))].append(value)
    return [of(values) if values else None for values in found]


def _levels(run: Run, steps: int, width: int) -> list[float | None]:
    """The most turns in flight in each step; a level holds until the next change."""
    zero = start_ns(run)
    most = [0.0] * steps
    level, step = 0.0, 0
    for at_ns, after in zip(*in_flight(run), strict=True):
        until = min(steps - 1, int((at_ns - zero) / 1e9 / width))
        for passed in range(step, until + 1):
            most[passed] = max(most[passed], level)
        step, level = until, float(after)
        most[until] = max(most[until], level)
    return list(most)
