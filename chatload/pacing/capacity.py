"""Which number of users to try next, when looking for the most a server can hold: doubling, then bisection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder. `verdict` is met, missed or undecided (judged with its interval);
    `passed` is whether the measured values themselves were within every limit."""

    users: int
    verdict: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer: `users` is the most that passed; the truth lies between the most that surely met the SLOs
    and the fewest that surely missed them. None where the ladder found no such number."""

    users: int
    surely_met: int | None
    surely_missed: int | None


def next_users(ladder: Sequence[Rung], *, first: int, most: int, precision: float) -> int | None:
    """The next number to try; None when the answer is known to within `precision` (0.1: 10 %)."""
    if not ladder:
        return min(first, most)
    passed, failed = _bracket(ladder)
    if failed is None:
        return None if passed >= most else min(most, passed * 2)
    if failed - passed <= max(1, precision * failed):
        return None
    return (passed + failed) // 2


def capacity(ladder: Sequence[Rung]) -> Capacity:
    """What the ladder tells."""
    passed, _ = _bracket(ladder)
    missed = min((rung.users for rung in ladder if rung.verdict == "missed"), default=None)
    met = [rung.users for rung in ladder if rung.verdict == "met" and (missed is None or rung.users < missed)]
    return Capacity(passed, max(met, default=None), missed)


def _bracket(ladder: Sequence[Rung]) -> tuple[int, int | None]:
    """(most users that passed below every failure, fewest that failed); 0 and None where there are none."""
    failed = min((rung.users for rung in ladder if not rung.passed), default=None)
    passed = [rung.users for rung in ladder if rung.passed and (failed is None or rung.users < failed)]
    return max(passed, default=0), failed
