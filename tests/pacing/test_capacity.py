"""The ladder finds a known limit, whatever it is, in few steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatload.pacing.capacity import Capacity, Rung, capacity, next_users


def climb(
    limit: int, *, first: int = 8, most: int = 100_000, precision: float = 0.1
) -> tuple[list[Rung], Capacity]:
    """Climb against a server that holds exactly `limit` users and is surely judged 20 % away from it."""
    ladder: list[Rung] = []
    while (users := next_users(ladder, first=first, most=most, precision=precision)) is not None:
        sure = abs(users - limit) > 0.2 * limit
        verdict = ("met" if users <= limit else "missed") if sure else "undecided"
        ladder.append(Rung(users, verdict, users <= limit))
        assert len(ladder) < 60, "the ladder has no end"
    return ladder, capacity(ladder)


@given(limit=st.integers(0, 50_000), first=st.integers(1, 500), precision=st.floats(0.01, 0.3))
def test_the_limit_is_found_within_the_precision(limit: int, first: int, precision: float) -> None:
    ladder, found = climb(limit, first=first, precision=precision)
    assert found.users <= limit
    assert limit - found.users <= max(1, precision * (limit + 1) / (1 - precision)) + 1
    assert len({rung.users for rung in ladder}) == len(ladder), "no level is tried twice"
    assert found.surely_met is None or found.surely_met <= limit
    assert found.surely_missed is None or found.surely_missed > limit


def test_the_most_allowed_is_never_passed() -> None:
    ladder, found = climb(10_000, most=100)
    assert [rung.users for rung in ladder] == [8, 16, 32, 64, 100]
    assert found == Capacity(100, 100, None)


def test_a_level_that_passed_above_a_failure_does_not_count() -> None:
    ladder = [Rung(8, "met", True), Rung(16, "missed", False), Rung(32, "met", True)]
    assert capacity(ladder) == Capacity(8, 8, 16)
    assert next_users(ladder, first=8, most=100, precision=0.1) == 12
