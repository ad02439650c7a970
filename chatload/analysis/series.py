"""What the pictures of a run show, as plain numbers."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from statistics import fmean, median

from chatload.analysis.throughput import tokens_by_step
from chatload.model.metrics import ttft_ms
from chatload.model.turn import Turn
from chatload.store.journal import Run

STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
MOST_STEPS = 120
MOST_POINTS = 2000
"""Of more points, a curve is drawn through so many."""
BINS_A_DECADE = 40
LEAST_US = 10
"""Gaps below are drawn at 0.01 ms: events that came in one read have a gap of 0."""

Of = Callable[[Turn], float | None]


def good_values(turns: Iterable[Turn], of: Of) -> list[float]:
    """The values of the good ones of the turns, sorted upwards."""
    return sorted(value for turn in turns if turn.ok and (value := of(turn)) is not None)


def thinned(n: int, at_most: int = MOST_POINTS) -> list[int]:
    """Which of n points to draw: all, or `at_most` evenly spread ones, the first and last always in."""
    if n <= at_most:
        return list(range(n))
    return sorted({round(i * (n - 1) / (at_most - 1)) for i in range(at_most)})


# -- over time ---------------------------------------------------------------------------------------


def start_ns(run: Run) -> int:
    """When the first turn was due: the 0 of every time axis."""
    return run.turns[0].due_ns if run.turns else 0


def length_s(run: Run) -> float:
    """From the first due to the last end, in s."""
    return (max(turn.end_ns for turn in run.turns) - start_ns(run)) / 1e9 if run.turns else 0.0


def step_s(length: float) -> int:
    """The width of a step in s: the least that makes no more than MOST_STEPS of them."""
    return next((step for step in STEPS_S if length <= step * MOST_STEPS), STEPS_S[-1])


def ttft_points(run: Run) -> Iterator[tuple[float, float]]:
    """(s since the start when sent, TTFT in ms) of each good turn."""
    start = start_ns(run)
    for turn in run.turns:
        if turn.ok and (sent_ns := turn.sent_ns) is not None and (ms := ttft_ms(turn)) is not None:
            yield (sent_ns - start) / 1e9, ms


def failed_s(run: Run) -> list[float]:
    """When the failed turns were due, in s since the start."""
    start = start_ns(run)
    return [(turn.due_ns - start) / 1e9 for turn in run.turns if turn.failed]


def medians(points: Iterable[tuple[float, float]], width_s: int) -> tuple[list[float], list[float]]:
    """(when, as by_step, and median of the values in each step); steps without a value are left out."""
    steps = by_step(points, width_s)
    return [at_s for at_s, _ in steps], [median(values) for _, values in steps]


def by_step(points: Iterable[tuple[float, float]], width_s: int) -> list[tuple[float, list[float]]]:
    """(mean time of its points in s, its values) of each step that has some, in order.

    Not the middle of the step: where steps have few points, a line through the middles would miss the points.
    """
    times: dict[int, list[float]] = {}
    steps: dict[int, list[float]] = {}
    for at_s, value in points:
        step = int(at_s // width_s)
        times.setdefault(step, []).append(at_s)
        steps.setdefault(step, []).append(value)
    return [(fmean(times[step]), steps[step]) for step in sorted(steps)]


def tokens_per_step(run: Run, width_s: int) -> tuple[list[float], list[float]]:
    """(edges of the steps in s, tokens/s in each), replies that failed included as far as they came.

    The last step is as long as the run lasts in it, and left out when that is less than half.
    """
    start, length = start_ns(run), length_s(run)
    width_ns = width_s * 1_000_000_000
    tokens = [0.0] * (int(length // width_s) + 1)
    for turn in run.turns:
        for step, n in tokens_by_step(turn, start, width_ns):
            tokens[step] += n
    edges_s = [float(i * width_s) for i in range(len(tokens))] + [length]
    if len(tokens) > 1 and edges_s[-1] - edges_s[-2] < width_s / 2:
        tokens.pop()
        edges_s.pop()
    widths_s = [end - begin for begin, end in pairwise(edges_s)]
    return edges_s, [n / width if width > 0 else 0.0 for n, width in zip(tokens, widths_s, strict=True)]


def users_in(run: Run) -> tuple[Sequence[int], Sequence[int]]:
    """(instants in ns, users in from then on), from the journal's user lines, else from the turns."""
    if run.users:
        return levels(
            (line.at_ns for line in run.users if line.event == "in"),
            (line.at_ns for line in run.users if line.event != "in"),
        )
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for turn in run.turns:
        first.setdefault(turn.user, turn.due_ns)
        last[turn.user] = max(turn.end_ns, last.get(turn.user, 0))
    return levels(first.values(), last.values())


def in_flight(run: Run) -> tuple[Sequence[int], Sequence[int]]:
    """(instants in ns, turns from sent to end from then on)."""
    return levels(
        (sent_ns for turn in run.turns if (sent_ns := turn.sent_ns) is not None),
        (turn.end_ns for turn in run.turns if turn.sent_ns is not None),
    )


def levels(up_ns: Iterable[int], down_ns: Iterable[int]) -> tuple[Sequence[int], Sequence[int]]:
    """(instants, level from then on): one more at each of `up_ns`, one less at each of `down_ns`.

    At the same instant down comes first. An instant and its change are one number, so that a million turns take no
    million pairs.
    """
    changes = [2 * at_ns + 1 for at_ns in up_ns]
    changes += [2 * at_ns for at_ns in down_ns]
    changes.sort()
    level = array("q", accumulate(1 if change & 1 else -1 for change in changes))
    try:
        return array("q", (change >> 1 for change in changes)), level
    except OverflowError:  # a journal with instants of more than 64 bits
        return [change >> 1 for change in changes], level


def steps_s(run: Run, instants_ns: Sequence[int], levels: Sequence[int]) -> tuple[list[float], list[int]]:
    """(s since the start, level from then on); of many, the highest and lowest of each 800th part of the run."""
    zero, length = start_ns(run), max(length_s(run), 1e-9)
    kept: Iterable[int] = range(len(instants_ns))
    if len(instants_ns) > MOST_POINTS:
        parts = groupby(kept, lambda i: int(800 * ((instants_ns[i] - zero) / 1e9) / length))
        kept = [i for _, part in parts for i in _ends_of([*part], levels)]
    return [(instants_ns[i] - zero) / 1e9 for i in kept], [levels[i] for i in kept]


def _ends_of(part: Sequence[int], levels: Sequence[int]) -> list[int]:
    """Where the level is lowest, where highest, and the last one."""
    return sorted({min(part, key=levels.__getitem__), max(part, key=levels.__getitem__), part[-1]})


# -- conversations and gaps --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speed:
    """tokens/s of one conversation: the mean of its good turns, its slowest and its fastest turn."""

    mean: float
    least: float
    most: float


def speeds(run: Run, of: Of) -> list[Speed]:
    """The conversations of a run, by their mean speed upwards."""
    conversations: dict[int, list[float]] = {}
    for turn in run.turns:
        if turn.ok and (speed := of(turn)) is not None:
            conversations.setdefault(turn.user, []).append(speed)
    found = [Speed(sum(values) / len(values), min(values), max(values)) for values in conversations.values()]
    return sorted(found, key=lambda speed: speed.mean)


def gap_counts(run: Run) -> Counter[int]:
    """{gap in µs: how often} over the good turns."""
    counts: Counter[int] = Counter()
    for turn in run.turns:
        if turn.ok:
            counts.update(turn.gaps_us)
    return counts


def histogram(counts: Counter[int]) -> tuple[list[float], list[float]]:
    """(edges in ms, share of gaps in each bin in %); bins are equally wide on a log axis."""
    least = math.floor(math.log10(max(LEAST_US, min(counts))) * BINS_A_DECADE)
    most = math.floor(math.log10(max(LEAST_US, max(counts))) * BINS_A_DECADE) + 1
    edges_us = [10 ** (i / BINS_A_DECADE) for i in range(least, most + 1)]
    sums = [0] * (most - least)
    for gap, n in counts.items():
        place = math.floor(math.log10(max(LEAST_US, gap)) * BINS_A_DECADE) - least
        sums[min(place, len(sums) - 1)] += n
    total = sum(sums)
    return [edge / 1000 for edge in edges_us], [100 * n / total for n in sums]


def low_end_ms(counts: Counter[int], share: float = 0.005) -> float:
    """Where to begin an axis of gaps, in ms: the shortest `share` of them would leave it mostly empty."""
    left = share * sum(counts.values())
    for gap in sorted(counts):
        left -= counts[gap]
        if left < 0:
            return max(gap, LEAST_US) / 1000
    return LEAST_US / 1000


def longer(counts: Counter[int]) -> tuple[list[float], list[float]]:
    """(gap in ms, share of gaps that are at least so long in %), the gap upwards."""
    ordered = sorted(counts)
    total = sum(counts.values())
    below = [0, *accumulate(counts[gap] for gap in ordered)]
    return [max(gap, LEAST_US) / 1000 for gap in ordered], [100 * (total - n) / total for n in below[:-1]]
