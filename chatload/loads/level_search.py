"""Chooses the number of users to try next in a search for the most that a server serves within the SLOs.

Doubling finds a bracket, bisection narrows it. Then its two ends are measured again, all their turns judged together,
until they are decided or were measured `windows` times: near the limit one measurement decides by chance. If an end
changes its verdict, the new bracket is narrowed in the same way. Last, if no level is surely met (or missed) yet, the
next one below (or above) is measured again, so that the interval has an end there. docs/capacity.md has the accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

GOLDEN = (5.0**0.5 - 1.0) / 2.0
NEARBY_FACTOR = 2.0
"""Only levels within this factor of the answer are measured again to find an end of the interval."""
MARGIN = 0.05
"""The interval extends this share beyond the levels that were surely met and missed: near the limit a verdict rests on
few blocks of time, whose intervals cover 86 to 99 % (docs/statistics.md)."""
ARRIVALS_MARGIN = 0.15
"""The same for levels of arrivals: near their limit the verdict depends on queues that last for minutes, of which a
window has few (docs/capacity.md)."""


@dataclass(frozen=True, slots=True)
class TriedLevel:
    """One level, all its windows together. `verdict`: met, missed or undecided, by its confidence interval;
    `passed`: the measured values themselves were within every limit."""

    users: int
    verdict: str
    passed: bool
    windows: int = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """How to search: from `first` to at most `most` users, until the answer is known to within `precision`
    (0.1: 10 %). An undecided level is measured at most `windows` times. `arrives`: levels are of arrivals."""

    first: int
    most: int
    precision: float
    windows: int = 1
    arrives: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer: the most users that passed, the most that surely met the SLOs, and the fewest that surely missed
    them; None if no level did."""

    users: int
    surely_met: int | None
    surely_missed: int | None
    arrives: bool = False

    @property
    def interval(self) -> tuple[int | None, int | None]:
        """95 % interval of the most users that meet the SLOs, both ends within it."""
        low, high = self.surely_met, self.surely_missed
        margin = ARRIVALS_MARGIN if self.arrives else MARGIN
        return (
            None if low is None else math.floor(low * (1.0 - margin)),
            None if high is None else math.ceil(high * (1.0 + margin)) - 1,
        )


def interval_words(low: int | None, high: int | None) -> str:
    """The interval in words; None for an end that is not known."""
    if low is None and high is None:
        return "no interval: no level was surely met, none surely missed"
    if high is None:
        return f"{low:,} or more in 97.5 of 100 cases, with no upper end: no level was surely missed"
    if low is None:
        return f"{high:,} or fewer in 97.5 of 100 cases, with no lower end: no level was surely met"
    return f"95 % interval {low:,} to {high:,}"


class LevelSearch:
    """The levels measured so far. Call `next_users` and `measured` in turn until there is no next level."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._levels: dict[int, TriedLevel] = {}

    @property
    def next_users(self) -> int | None:
        """The next number to measure; None when the answer is known."""
        return next_users(list(self._levels.values()), self._rules)

    @property
    def left(self) -> int:
        """The least number of windows left (`levels_left`)."""
        return levels_left(list(self._levels.values()), self._rules)

    @property
    def found(self) -> Capacity:
        """The answer so far."""
        return replace(capacity(self._levels.values()), arrives=self._rules.arrives)

    def measured(self, users: int, verdict: str, passed: bool) -> TriedLevel:
        """Record one more window of a level. `verdict` and `passed` are of all its windows together."""
        before = self._levels.get(users)
        level = TriedLevel(users, verdict, passed, before.windows + 1 if before else 1)
        self._levels[users] = level
        return level


def first_turn(slot: int, turns: int) -> int:
    """The turn of a conversation of `turns` at which the slot-th user of a level begins, 1 to `turns`.

    first_turn = 1 + floor(turns · frac(slot · golden ratio)), which is evenly spread for any number of users, as in
    real use. If all began at turn 1, a window would have some turns only, and all histories would be long at the same
    time.
    """
    return 1 + int(turns * ((slot * GOLDEN) % 1.0))


def next_users(levels: Sequence[TriedLevel], rules: Rules) -> int | None:
    """The next number to measure, new or again; None when the answer is known."""
    if not levels:
        return min(rules.first, rules.most)
    passed, failed = _bracket(levels)
    if failed is None and passed < rules.most:
        return min(rules.most, passed * 2)
    if failed is not None and failed - passed > max(1, rules.precision * failed):
        return (passed + failed) // 2
    return _again(levels, rules, passed, failed)


def levels_left(levels: Sequence[TriedLevel], rules: Rules) -> int:
    """The least number of windows left: those of the bisection; 1 while levels double; 0 when the answer is known.

    A window leaves at least the smaller half of a bracket of w: floor(w / 2). After k of them w is at least
    (w + 1) / 2^k − 1, and must be within the precision. Measuring an undecided level again comes on top.
    """
    if next_users(levels, rules) is None:
        return 0
    passed, failed = _bracket(levels)
    if failed is None or not levels:
        return 1
    narrow = math.floor(max(1.0, rules.precision * failed))
    return max(1, math.ceil(math.log2((failed - passed + 1) / (narrow + 1))))


def _again(levels: Sequence[TriedLevel], rules: Rules, passed: int, failed: int | None) -> int | None:
    """The level to measure once more after the bisection; None if there is none."""
    undecided = [level for level in levels if level.verdict == "undecided" and level.windows < rules.windows]
    ends = [level for level in undecided if level.users in (passed, failed)]
    if ends:
        return min(ends, key=lambda level: (level.windows, -level.users)).users
    found = capacity(levels)
    if found.surely_met is None:
        below = [level.users for level in undecided if passed / NEARBY_FACTOR <= level.users < passed]
        if below:
            return max(below)
    if found.surely_missed is None and failed is not None:
        above = [level.users for level in undecided if failed < level.users <= failed * NEARBY_FACTOR]
        if above:
            return min(above)
    return None


def capacity(levels: Iterable[TriedLevel]) -> Capacity:
    """The answer from these levels."""
    tried = list(levels)
    passed, _ = _bracket(tried)
    missed = min((level.users for level in tried if level.verdict == "missed"), default=None)
    met = [
        level.users for level in tried if level.verdict == "met" and (missed is None or level.users < missed)
    ]
    return Capacity(passed, max(met, default=None), missed)


def _bracket(levels: Sequence[TriedLevel]) -> tuple[int, int | None]:
    """(most users that passed below every failure, fewest that failed); 0 and None if there are none."""
    failed = min((level.users for level in levels if not level.passed), default=None)
    passed = [level.users for level in levels if level.passed and (failed is None or level.users < failed)]
    return max(passed, default=0), failed
