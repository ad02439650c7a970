"""The levels of a capacity search as curves: each SLO's number over the number of users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from chatload.analysis.block_interval import CYCLES_PER_BLOCK, LEAST_BLOCKS, turn_cycle_s
from chatload.analysis.growth import telling_s
from chatload.analysis.window import Held
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_search import Capacity
from chatload.model.metrics import metric
from chatload.model.slo import Objective
from chatload.model.verdict import PART, UNDECIDED, CapacityResult, LevelResult, SloVerdict
from chatload.store.manifest import Manifest

MOST_LONGER = 4.0
"""A level is measured at most so many times as long as asked."""


def measuring_s(asked_s: float, last_window: Sequence[Held]) -> float:
    """How long (s) to measure the next level: as asked, or as long as an interval needs with turns like the last."""
    needed_s = LEAST_BLOCKS * CYCLES_PER_BLOCK * (turn_cycle_s(last_window) or 0.0)
    return min(max(asked_s, needed_s), MOST_LONGER * asked_s)


def level_s(load: CapacityLoad, level: int, known_s: float, took_s: float) -> float:
    """How long (s) to measure this level: `known_s`, or as long as its arrivals need to be shown not to pile up.

    `took_s` is how long a reply takes.
    """
    if not load.arrives:
        return known_s
    needed_s = telling_s(level / 60.0, _stay_s(load, took_s), load.windows)
    return max(known_s, min(MOST_LONGER * load.measure_s, needed_s))


def settling_s(load: CapacityLoad, took_s: float) -> float:
    """How long (s) a level runs before it is measured: as asked, or as long as a conversation that arrives.

    A level of arrivals begins without a queue, and one grows slowly near the limit.
    """
    return max(load.settle_s, _stay_s(load, took_s)) if load.arrives else load.settle_s


def _stay_s(load: CapacityLoad, took_s: float) -> float:
    return (load.think_time.average + took_s) * load.conversation_turns


def reply_s(last_window: Sequence[Held]) -> float:
    """How long (s) a reply took, by the median of the turns of the last window; 0 without any."""
    return median((turn.end_ns - turn.due_ns) / 1e9 for turn in last_window) if last_window else 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """What one SLO's metric was with so many users, in the unit of its curve; None is endless, or not `known`.

    `verdict` is this SLO's own: met or missed, or unsure.
    """

    users: int
    turns: int
    verdict: str
    value: float | None
    low: float | None
    high: float | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Curve:
    """One SLO over all levels, fewest users first. Shares are in %."""

    objective: Objective
    limit: float
    unit: str
    levels: tuple[Level, ...]


def levels_of(found: CapacityResult) -> list[LevelResult]:
    """The levels, fewest users first."""
    return sorted(found.levels, key=lambda level: level.users)


Answer = Literal["not found", "none", "at least", "known"]


def answer_of(found: CapacityResult) -> Answer:
    """What the search can say: nothing, that no number holds, a number from which on it did not look, or the number.

    A search that stopped early, or never saw a level beyond an SLO (it stops at --most), knows a least number only.
    """
    if found.users is None or not found.levels or (found.stopped and not found.users):
        return "not found"
    if not found.users:
        return "none"
    return "at least" if found.stopped or all(level.passed for level in found.levels) else "known"


def interval_of(found: CapacityResult) -> tuple[int | None, int | None]:
    """95 % interval of the answer, also of one that was written before intervals were."""
    if found.interval is not None or found.users is None:
        return found.interval or (None, None)
    return Capacity(found.users, found.surely_met, found.surely_missed).interval


def curves(manifest: Manifest) -> list[Curve]:
    """A curve for each SLO of the plan that gates: limits of goodput are in goodput's."""
    if manifest.capacity is None or manifest.plan is None:
        return []
    levels = levels_of(manifest.capacity)
    found = (_curve(asked, levels) for asked in manifest.plan.slo)
    return [curve for curve in found if any(level.verdict != PART for level in curve.levels)]


def _curve(asked: Objective, levels: Iterable[LevelResult]) -> Curve:
    scale = 100.0 if asked.kind == "share" else 1.0
    unit = {"share": "%", "run": "s"}.get(asked.kind) or metric(asked.metric).unit
    points = tuple(
        _level(level, one, scale) for level in levels for one in level.slo if one.slo == asked.words
    )
    return Curve(asked, scale * asked.limit, unit, points)


def _level(level: LevelResult, one: SloVerdict, scale: float) -> Level:
    value, low, high = (
        None if number is None else scale * number
        for number in (one.value, *(one.interval or (one.value, one.value)))
    )
    doubtful = one.sure is False or one.verdict == UNDECIDED
    known = value is not None or one.turns > 0  # else it could not be measured, of any turn
    return Level(level.users, level.turns, "unsure" if doubtful else one.verdict, value, low, high, known)
