"""The search finds a known limit, whatever it is, in few steps, and trusts no coin toss."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.loads.level_search import (
    Capacity,
    LevelSearch,
    Rules,
    TriedLevel,
    capacity,
    first_turn,
    interval_words,
    next_users,
)
from tests.plans import plan_of


def climb(limit: int, rules: Rules) -> tuple[list[int], Capacity]:
    """Climb against a server that holds exactly `limit` users and is surely judged 20 % away from it."""
    search, tried, left = LevelSearch(rules), [], []
    while (users := search.next_users) is not None:
        left.append(search.left)
        sure = abs(users - limit) > 0.2 * limit
        verdict = ("met" if users <= limit else "missed") if sure else "undecided"
        search.measured(users, verdict, users <= limit)
        tried.append(users)
        assert len(tried) < 100, "the search has no end"
    assert search.left == 0
    assert all(1 <= least <= len(tried) - number for number, least in enumerate(left)), (
        "a least number of windows"
    )
    return tried, search.found


@given(
    limit=st.integers(0, 50_000),
    first=st.integers(1, 500),
    precision=st.floats(0.01, 0.3),
    windows=st.integers(1, 5),
)
def test_the_limit_is_found_within_the_precision(
    limit: int, first: int, precision: float, windows: int
) -> None:
    tried, found = climb(limit, Rules(first, 100_000, precision, windows))
    assert found.users <= limit
    assert limit - found.users <= max(1, precision * (limit + 1) / (1 - precision)) + 1
    assert max(Counter(tried).values()) <= windows
    assert found.surely_met is None or found.surely_met <= limit
    assert found.surely_missed is None or found.surely_missed > limit
    low, high = found.interval
    assert (low or 0) <= limit
    assert high is None or limit <= high


def test_the_most_allowed_is_never_passed() -> None:
    tried, found = climb(10_000, Rules(8, 100, 0.1))
    assert tried == [8, 16, 32, 64, 100]
    assert found == Capacity(100, 100, None)
    assert found.interval == (95, None)


@pytest.mark.parametrize(("arrives", "interval"), [(False, (95, 209)), (True, (85, 229))])
def test_the_interval_is_wider_than_the_levels_and_more_so_of_arrivals(
    arrives: bool, interval: tuple[int, int]
) -> None:
    search = LevelSearch(Rules(100, 200, 0.9, arrives=arrives))
    search.measured(100, "met", True)
    search.measured(200, "missed", False)
    assert search.found.interval == interval


def test_a_level_that_passed_above_a_failure_does_not_count() -> None:
    levels = [TriedLevel(8, "met", True), TriedLevel(16, "missed", False), TriedLevel(32, "met", True)]
    assert capacity(levels) == Capacity(8, 8, 16)
    assert next_users(levels, Rules(8, 100, 0.1)) == 12


def test_undecided_ends_are_measured_again_until_decided_or_often_enough() -> None:
    rules = Rules(8, 100, 0.1, windows=3)
    levels = [
        TriedLevel(32, "met", True),
        TriedLevel(40, "undecided", True),
        TriedLevel(44, "undecided", False),
    ]
    assert next_users(levels, rules) == 44
    assert next_users([*levels[:2], TriedLevel(44, "missed", False, 2)], rules) == 40
    assert (
        next_users(
            [*levels[:1], TriedLevel(40, "undecided", True, 3), TriedLevel(44, "missed", False, 2)], rules
        )
        is None
    )


def test_an_end_that_turns_over_opens_the_bracket_again() -> None:
    rules = Rules(8, 100, 0.05, windows=3)
    levels = [
        TriedLevel(40, "undecided", True),
        TriedLevel(42, "undecided", True, 2),
        TriedLevel(64, "missed", False),
    ]
    assert next_users(levels, rules) == 53


def test_without_a_sure_level_the_next_lower_one_is_measured_again() -> None:
    rules = Rules(8, 100, 0.1, windows=2)
    levels = [
        TriedLevel(8, "undecided", True),
        TriedLevel(16, "undecided", True),
        TriedLevel(32, "undecided", True),
    ]
    top = [TriedLevel(40, "undecided", True, 2), TriedLevel(44, "missed", False)]
    assert next_users([*levels, *top], rules) == 32
    assert next_users([*levels[:2], TriedLevel(32, "met", True, 2), *top], rules) is None
    assert next_users([*levels[:2], TriedLevel(32, "undecided", True, 2), *top], rules) is None, (
        "16 is too far off"
    )


@given(users=st.integers(1, 500), turns=st.integers(1, 40))
def test_users_of_a_level_begin_at_all_turns_alike(users: int, turns: int) -> None:
    seen = Counter(first_turn(slot, turns) for slot in range(users))
    assert set(seen) <= set(range(1, turns + 1))
    assert all(abs(seen[turn] - users / turns) < 3 for turn in range(1, turns + 1))


def test_the_interval_in_words() -> None:
    assert interval_words(28, 33) == "95 % interval 28 to 33"
    assert (
        interval_words(None, 33)
        == "33 or fewer in 97.5 of 100 cases, with no lower end: no level was surely met"
    )
    assert (
        interval_words(28, None)
        == "28 or more in 97.5 of 100 cases, with no upper end: no level was surely missed"
    )


def test_a_search_begins_at_most_where_it_ends() -> None:
    values = {"host": "http://127.0.0.1:1", "slo": "p50 ttft_ms <= 500", "most": "4"}
    assert plan_of("capacity", values).load.sentence().startswith("levels from 4 to at most 4 chat users")
    assert (
        plan_of("capacity", values | {"most": "9"}).load.sentence().startswith("levels from 8 to at most 9")
    )
