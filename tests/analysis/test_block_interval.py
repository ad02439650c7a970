"""Intervals from blocks of time: against values of another implementation, and by how often they hold the truth."""

from __future__ import annotations

import math
import random

import pytest
from msgspec import structs

from chatload.analysis.beta import beta_quantile
from chatload.analysis.block_interval import (
    Blocks,
    blocks_of,
    design_effect,
    quantile_estimate,
    rate_estimate,
    share_ends,
    share_estimate,
    tokens_by_block,
    too_short_words,
    turn_cycle_s,
)
from chatload.model.turn import Turn

S = 1_000_000_000


def queued_turns(
    seed: int, users: int, turns: int, cycle_s: float, noise_ms: float
) -> list[tuple[int, float, float]]:
    """(user, due in s, TTFT in ms) of users that share a queue, which swells and shrinks with the time."""
    draw = random.Random(seed)
    made = []
    for user in range(users):
        due_s = user * 0.1
        for _ in range(turns):
            ttft_ms = 50 + 60 * max(0.0, math.sin(due_s / 7.0)) + draw.expovariate(1 / noise_ms)
            made.append((user, due_s, ttft_ms))
            due_s += cycle_s * (0.9 + 0.2 * draw.random())
    return made


# (share, detrended) -> (value, low, high, design effect, log_se), computed by another implementation (two loads)
OF_100_USERS = {
    (0.5, False): (
        69.86771686038901,
        52.5684929686383,
        118.58199153050032,
        66.08330553128755,
        0.2078181665513451,
    ),
    (0.5, True): (
        69.86771686038901,
        55.683731512982405,
        103.48844881557815,
        20.95302624943113,
        0.11958677039256836,
    ),
    (0.95, False): (128.28422124579393, 83.61254804551845, None, 33.37859694021288, 0.29552763834130746),
    (0.95, True): (128.28422124579393, 86.91022516258623, None, 21.656905120017143, 0.1363064657665821),
    (0.99, False): (147.86885858296984, 119.09030543738685, None, 7.3905142120475595, 0.1751514149673778),
    (0.99, True): (147.86885858296984, 120.20257908907217, None, 4.934927466921774, 0.17037676673514734),
}
OF_30_USERS = {
    (0.5, False): (
        78.97990782129708,
        52.199326968741495,
        111.39360253899102,
        58.48950486400196,
        0.29797473313469236,
    ),
    (0.5, True): (
        78.97990782129708,
        51.85056416992348,
        112.13285408465174,
        64.38042182086598,
        0.30295578730236195,
    ),
    (0.95, False): (
        117.43362348192687,
        110.66641971898792,
        123.67573558620644,
        8.56919322750315,
        0.03474241255365413,
    ),
    (0.95, True): (
        117.43362348192687,
        110.37470912810812,
        125.7941914368492,
        9.612222928362568,
        0.03691797422467239,
    ),
}


@pytest.mark.parametrize(
    ("load", "window_s", "cycle_s", "count", "expected"),
    [
        ((1, 100, 10, 4.4, 15.0), (9.9, 40.73639375455095), 4.421191596606564, 5, OF_100_USERS),
        ((2, 30, 20, 3.0, 5.0), (2.9000000000000004, 58.42958026100824), 2.9858130103183385, 10, OF_30_USERS),
    ],
)
def test_quantiles_as_another_implementation_computes_them(load, window_s, cycle_s, count, expected) -> None:  # type: ignore[no-untyped-def]
    start_s, end_s = window_s
    inside = [(due_s, ttft) for _, due_s, ttft in queued_turns(*load) if start_s <= due_s <= end_s]
    for (p, detrend), figures in expected.items():
        blocks = blocks_of(round(start_s * S), round(end_s * S), cycle_s, detrend=detrend)
        assert blocks is not None and blocks.count == count
        block = [blocks.of(round(due_s * S)) for due_s, _ in inside]
        found = quantile_estimate([ttft for _, ttft in inside], block, blocks, p)
        assert (found.value, found.low, found.high, found.design_effect, found.log_se) == pytest.approx(
            figures
        )


def turn(user: int, due_s: float, end_s: float) -> Turn:
    return Turn(
        turn_id=f"{user}-{due_s}",
        request_id="r",
        user=user,
        turn=1,
        due_ns=round(due_s * S),
        end_ns=round(end_s * S),
    )


def test_the_cycle_is_the_median_from_due_to_due_of_one_user() -> None:
    turns = [turn(1, 0, 1), turn(2, 0.5, 1), turn(1, 4, 5), turn(2, 3.5, 4), turn(1, 10, 11)]
    assert turn_cycle_s(turns) == pytest.approx(4.0)
    assert turn_cycle_s([turn(1, 0, 1), turn(2, 0, 3), turn(3, 0, 2)]) == pytest.approx(4.0)
    assert turn_cycle_s([]) is None


def test_a_window_under_five_cycles_has_no_blocks_and_says_how_long_it_should_be() -> None:
    assert blocks_of(0, 20 * S - 1, 4.0) is None
    assert blocks_of(0, 20 * S, 4.0) is not None
    assert (
        too_short_words(0, 12 * S, 4.0)
        == "too short for an interval: 12 s of the needed 20 s (5 turn cycles)"
    )
    assert blocks_of(5, 5, 0.0) is None


def test_blocks_are_a_cycle_and_a_half_long_and_at_most_ten() -> None:
    counts = [blocks_of(0, length * S, 4.0).count for length in (20, 30, 36, 42, 60, 600)]  # type: ignore[union-attr]
    assert counts == [5, 5, 6, 7, 10, 10]


def test_every_instant_of_the_window_has_a_block() -> None:
    blocks = Blocks(10, 60, 5)
    assert [blocks.of(at) for at in (10, 19, 20, 59, 60)] == [0, 0, 1, 4, 4]


def test_a_share_of_nothing_or_all_has_the_effect_of_independent_turns() -> None:
    blocks = Blocks(0, 100, 5)
    assert design_effect([False] * 20, [i % 5 for i in range(20)], blocks) == 1.0
    assert share_ends(0.0, 400, 1.0, 5) == pytest.approx((0.0, 0.01574), abs=5e-6)
    assert share_ends(3 / 400, 400, 2.5, 5) == pytest.approx((0.0000474, 0.0529), rel=1e-3)


def test_failures_in_one_block_weigh_more_than_spread_ones() -> None:
    blocks = Blocks(0, 100, 5)
    block = [i // 20 for i in range(100)]
    burst = share_estimate([i < 10 for i in range(100)], block, blocks)
    spread = share_estimate([i % 10 == 0 for i in range(100)], block, blocks)
    assert burst.value == spread.value == 0.1
    assert spread.design_effect == 1.0 and burst.design_effect > 5
    assert burst.high > spread.high and burst.n / burst.design_effect < 20  # type: ignore[operator]


def test_failed_turns_are_endless_and_leave_the_upper_end_open() -> None:
    blocks = Blocks(0, 100, 5)
    values = [float(i) for i in range(1, 98)] + [math.inf] * 3
    found = quantile_estimate(values, [i % 5 for i in range(100)], blocks, 0.95)
    assert found.value == pytest.approx(95.05)
    assert found.high is None or math.isinf(found.high)
    assert math.isinf(found.log_se)


def test_a_rate_is_the_mean_of_its_blocks() -> None:
    blocks = Blocks(0, 50 * S, 5)
    found = rate_estimate([100.0, 110.0, 90.0, 105.0, 95.0], blocks)
    assert found.value == pytest.approx(10.0)
    # t(0.975, 4) = 2.776445; sd = 0.790569; / sqrt(5)
    assert (found.low, found.high) == pytest.approx((10 - 0.981619, 10 + 0.981619), rel=1e-5)


def test_tokens_are_spread_from_the_first_to_the_last() -> None:
    def told(first_s: float, last_s: float, tokens: int | None) -> Turn:
        return structs.replace(
            turn(1, first_s, last_s),
            first_token_ns=round(first_s * S),
            last_token_ns=round(last_s * S),
            tokens=tokens,
        )

    blocks = Blocks(10 * S, 60 * S, 5)
    assert tokens_by_block([told(15, 35, 20)], blocks) == pytest.approx([5, 10, 5, 0, 0])
    assert tokens_by_block([told(0, 20, 20)], blocks) == pytest.approx([10, 0, 0, 0, 0])
    assert tokens_by_block([told(55, 75, 20)], blocks) == pytest.approx([0, 0, 0, 0, 5])
    assert tokens_by_block([told(30, 30, 7)], blocks) == pytest.approx([0, 0, 7, 0, 0])
    assert tokens_by_block([told(0, 9, 20), told(61, 70, 20), told(20, 30, None)], blocks) == [0.0] * 5
    everything = [told(begins, begins + 7.5, 30) for begins in range(10, 52)]
    assert sum(tokens_by_block(everything, blocks)) == pytest.approx(30 * len(everything))


def test_the_error_of_the_log_is_that_of_the_longer_side() -> None:
    values = [100.0] * 90 + [100.0 + 20 * i for i in range(1, 11)]
    found = quantile_estimate(values, [i % 5 for i in range(100)], Blocks(0, 100, 5), 0.90)
    assert found.log_se > math.log(150 / 102) > 0.1


def test_a_trend_costs_a_degree_and_takes_the_growth_out() -> None:
    sums = [10.0, 20.0, 30.0, 40.0, 50.0]
    plain, straight = (
        rate_estimate(sums, Blocks(0, 5 * S, 5)),
        rate_estimate(sums, Blocks(0, 5 * S, 5, detrend=True)),
    )
    assert plain.high > 45 and straight.high == pytest.approx(30.0)  # type: ignore[operator]


def test_beta_quantiles_invert_the_law() -> None:
    # R: qbeta(0.025, 2, 5), qbeta(0.975, 2, 5)
    assert beta_quantile(0.025, 2, 5) == pytest.approx(0.04327187, rel=1e-6)
    assert beta_quantile(0.975, 2, 5) == pytest.approx(0.64123458, rel=1e-6)
    assert (beta_quantile(0.5, 0, 1), beta_quantile(0.5, 1, 0)) == (0.0, 1.0)


@pytest.mark.parametrize("p", [0.5, 0.95])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(p: float) -> None:
    """Turns of one block share a random queue (a design effect of about 8): 95 % intervals of 200 runs."""
    draw, held, runs = random.Random(7), 0, 200
    pooled: list[float] = []
    samples = []
    for _ in range(runs):
        queue = [draw.gauss(0, 6) for _ in range(50)]
        values = [100 + queue[i // 20] + draw.expovariate(1 / 15) for i in range(1000)]
        samples.append(values)
        pooled += values
    truth = sorted(pooled)[round(p * len(pooled))]
    blocks = Blocks(0, 1000, 5)
    block = [blocks.of(i) for i in range(1000)]
    for values in samples:
        found = quantile_estimate(values, block, blocks, p)
        low = -math.inf if found.low is None else found.low
        high = math.inf if found.high is None else found.high
        held += low <= truth <= high
    assert 0.92 <= held / runs <= 0.995
