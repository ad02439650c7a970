"""Which number of users to try next, when looking for the most a server can hold.

Doubling finds a bracket, bisection narrows it. Then the two ends are measured again, and their turns pooled,
until they are decided or were measured often enough: near the limit one window is a coin toss, and a bracket
that rests on two coin tosses is none. Where an end turns over, the bracket is another one and is narrowed anew.
Last, where no level is surely met yet, the next lower one is measured again too: the interval needs a foot.
docs/capacity.md says how near that comes to the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GOLDEN = (5.0**0.5 - 1.0) / 2.0
WITHIN = 2.0
"""How far from the answer, as a factor, a level may be to be measured again for the sake of the interval."""
COMMON = 0.05
"""By so much the interval is wider than the levels that were surely met and missed. Why: a verdict takes conversations
as independent, but those of one window share its luck: one long queue is felt by all (docs/capacity.md)."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One level, all its windows together. `verdict` is met, missed or undecided (judged with its interval);
    `passed` is whether the measured values themselves were within every limit."""

    users: int
    verdict: str
    passed: bool
    windows: int = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """How to search: from `first` users, never beyond `most`, until known to within `precision` (0.1: 10 %);
    an undecided level is measured at most `windows` times."""

    first: int
    most: int
    precision: float
    windows: int = 1


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer: `users` is the most that passed. Beside it the most that surely met the SLOs and the fewest that
    surely missed them, None where the ladder found no such number."""

    users: int
    surely_met: int | None
    surely_missed: int | None

    @property
    def interval(self) -> tuple[int | None, int | None]:
        """95 % interval of the most users that meet the SLOs, both ends within it."""
        low, high = self.surely_met, self.surely_missed
        return (
            None if low is None else math.floor(low * (1.0 - COMMON)),
            None if high is None else math.ceil(high * (1.0 + COMMON)) - 1,
        )


def interval_words(low: int | None, high: int | None) -> str:
    """The interval as it is said."""
    if low is None and high is None:
        return "no interval: no level was surely met, none surely missed"
    if high is None:
        return f"at least {low:,} (97.5 %), no level was surely missed"
    if low is None:
        return f"at most {high:,} (97.5 %), no level was surely met"
    return f"95 % interval {low:,} to {high:,}"


class Ladder:
    """The levels measured so far; `measured` and `next_users` by turns, until there is no next."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._rungs: dict[int, Rung] = {}

    @property
    def next_users(self) -> int | None:
        """See the function of that name."""
        return next_users(list(self._rungs.values()), self._rules)

    @property
    def found(self) -> Capacity:
        """The answer as far as it is known."""
        return capacity(self._rungs.values())

    def measured(self, users: int, verdict: str, passed: bool) -> Rung:
        """Note one more window of a level; verdict and values are those of all its windows together."""
        before = self._rungs.get(users)
        rung = Rung(users, verdict, passed, before.windows + 1 if before else 1)
        self._rungs[users] = rung
        return rung


def first_turn(lane: int, turns: int) -> int:
    """The turn of a conversation of `turns` at which the lane-th user of a level begins, 1 to `turns`.

    Evenly spread, however many users there are: in real life conversations are of every age at any instant. Were
    they all of one age, a window would see some turns only, and histories would all be long at once.
    """
    return 1 + int(turns * ((lane * GOLDEN) % 1.0))


def next_users(ladder: Sequence[Rung], rules: Rules) -> int | None:
    """The next number to measure, a new one or one of the ladder again; None when the answer is known."""
    if not ladder:
        return min(rules.first, rules.most)
    passed, failed = _bracket(ladder)
    if failed is None and passed < rules.most:
        return min(rules.most, passed * 2)
    if failed is not None and failed - passed > max(1, rules.precision * failed):
        return (passed + failed) // 2
    return _again(ladder, rules, passed, failed)


def _again(ladder: Sequence[Rung], rules: Rules, passed: int, failed: int | None) -> int | None:
    """The level to measure once more, now that the bracket is narrow; None where no more is to be learnt."""
    open_ = [rung for rung in ladder if rung.verdict == "undecided" and rung.windows < rules.windows]
    ends = [rung for rung in open_ if rung.users in (passed, failed)]
    if ends:
        return min(ends, key=lambda rung: (rung.windows, -rung.users)).users
    found = capacity(ladder)
    if found.surely_met is None:
        below = [rung.users for rung in open_ if passed / WITHIN <= rung.users < passed]
        if below:
            return max(below)
    if found.surely_missed is None and failed is not None:
        above = [rung.users for rung in open_ if failed < rung.users <= failed * WITHIN]
        if above:
            return min(above)
    return None


def capacity(ladder: Iterable[Rung]) -> Capacity:
    """What the ladder tells."""
    rungs = list(ladder)
    passed, _ = _bracket(rungs)
    missed = min((rung.users for rung in rungs if rung.verdict == "missed"), default=None)
    met = [rung.users for rung in rungs if rung.verdict == "met" and (missed is None or rung.users < missed)]
    return Capacity(passed, max(met, default=None), missed)


def _bracket(ladder: Sequence[Rung]) -> tuple[int, int | None]:
    """(most users that passed below every failure, fewest that failed); 0 and None where there are none."""
    failed = min((rung.users for rung in ladder if not rung.passed), default=None)
    passed = [rung.users for rung in ladder if rung.passed and (failed is None or rung.users < failed)]
    return max(passed, default=0), failed
