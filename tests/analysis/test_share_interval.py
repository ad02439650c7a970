"""Bounds of a share: exact where there is an exact answer, never wrong more often than they say elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from chatload.analysis.share_interval import (
    Tally,
    interval,
    sum_of_gammas_at_most_0,
    surely_above,
    surely_below,
    turns_needed,
)


@pytest.mark.parametrize(
    ("met", "n", "low", "high"),
    [(0, 10, 0.0, 0.3085), (3, 10, 0.0667, 0.6525), (50, 100, 0.3983, 0.6017), (100, 100, 0.9638, 1.0)],
)
def test_single_turns_give_clopper_and_pearsons_interval(met: int, n: int, low: float, high: float) -> None:
    found = interval(Tally.of([(1, 1)] * met + [(0, 1)] * (n - met)))
    assert found == pytest.approx((low, high), abs=0.002)


def test_the_law_of_the_weighted_sum_is_the_drawn_one() -> None:
    terms = {-0.3: 4.0, 0.2: 2.0, 0.9: 1.0, -0.05: 6.0}
    chance = random.Random(3)
    drawn = sum(sum(z * chance.gammavariate(k, 1) for z, k in terms.items()) <= 0 for _ in range(20_000))
    assert sum_of_gammas_at_most_0(terms) == pytest.approx(drawn / 20_000, abs=0.012)
    assert sum_of_gammas_at_most_0({-1.0: 3.0}) == 1.0
    assert sum_of_gammas_at_most_0({1.0: 3.0}) == 0.0


def test_nothing_seen_to_fail_is_no_proof_where_turns_fail_together() -> None:
    """0 of 1,000 turns failed: were they alone, at most 0.37 % do; in 100 conversations it may be 3.6 %."""
    assert interval(Tally.of([(0, 1)] * 1000))[1] == pytest.approx(0.00368, abs=1e-4)
    assert interval(Tally.of([(0, 10)] * 100))[1] == pytest.approx(0.0362, abs=5e-4)


def test_no_turns_tell_nothing() -> None:
    assert interval(Tally.of([])) == (0.0, 1.0)
    assert Tally.of([(0, 0)]).share is None
    assert not surely_below(Tally.of([]), 0.5)
    assert turns_needed(Tally.of([]), 0.5) is None


@pytest.mark.parametrize(("met", "limit"), [(0, 0.05), (1, 0.1), (3, 0.2), (10, 0.99)])
def test_as_many_turns_as_needed_do_tell(met: int, limit: float) -> None:
    tally = Tally.of([(met, 10)] * 3 + [(0, 10)] * 3)
    needed = turns_needed(tally, limit)
    assert needed is not None
    tells = surely_below if (tally.share or 0.0) <= limit else surely_above
    assert tells(tally.times(1.01 * needed / tally.turns), limit)
    assert not tells(tally.times(0.99 * needed / tally.turns), limit)


def test_a_share_at_its_limit_is_never_told_from_it() -> None:
    assert turns_needed(Tally.of([(1, 2)] * 10), 0.5) is None
    assert turns_needed(Tally.of([(0, 2)] * 10), 0.0) is None


def _alone(chance: random.Random, share: float, turns: int) -> int:
    return sum(chance.random() < share for _ in range(turns))


def _together(chance: random.Random, share: float, turns: int) -> int:
    return turns * (chance.random() < share)


def _related(chance: random.Random, share: float, turns: int) -> int:
    own = chance.betavariate(2 * share, 2 * (1 - share))
    return sum(chance.random() < own for _ in range(turns))


@pytest.mark.parametrize("draw", [_alone, _together, _related])
@pytest.mark.parametrize(("share", "conversations"), [(0.01, 100), (0.05, 30), (0.5, 12)])
def test_a_verdict_is_wrong_no_more_often_than_it_says(
    draw: Callable[[random.Random, float, int], int], share: float, conversations: int
) -> None:
    """At the limit itself, the hardest truth, “surely below” and “surely above” are each wrong <= 2.5 %."""
    chance, rounds = random.Random(11), 400
    below = above = 0
    for _ in range(rounds):
        held = [chance.randint(4, 10) for _ in range(conversations)]
        tally = Tally.of((draw(chance, share, turns), turns) for turns in held)
        below += surely_below(tally, share)
        above += surely_above(tally, share)
    allowed = 0.025 * rounds + 2 * (0.025 * 0.975 * rounds) ** 0.5  # two standard errors of the simulation
    assert below <= allowed
    assert above <= allowed
