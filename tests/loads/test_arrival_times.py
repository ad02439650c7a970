"""Arrivals: absolute schedules, their laws, and how several workers share one."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.loads.arrival_options import RATE_STEPS
from chatload.loads.arrival_times import Spacing, constant, gamma, poisson, split
from chatload.loads.rate_steps import group_of, step_ends_s
from chatload.options.option import InvalidValue

SEEDS = st.integers(0, 2**32)
INTERVALS = st.floats(0, 100)


def gaps_s(schedule: tuple[int, ...]) -> list[float]:
    return [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(schedule)]


def test_constant_is_the_article_s_interval():
    assert constant(4, 0.25) == (0, 250_000_000, 500_000_000, 750_000_000)


def test_interval_zero_is_all_at_once():
    assert constant(3, 0) == poisson(3, 0, seed=1) == (0, 0, 0)


def test_constant_does_not_drift():
    """Invariant: due(k) is k intervals to the ns, with no error added up on the way."""
    assert constant(1_000_001, 0.1)[-1] == 100_000 * 10**9


@given(n=st.integers(0, 300), interval_s=INTERVALS, seed=SEEDS)
def test_every_schedule_has_n_entries_from_zero_never_going_back(n, interval_s, seed):
    for schedule in (constant(n, interval_s), poisson(n, interval_s, seed)):
        assert len(schedule) == n
        assert schedule[:1] == (0,)[:n]
        assert all(gap >= 0 for gap in gaps_s(schedule))
        assert all(type(due_ns) is int for due_ns in schedule)


def test_the_smallest_interval_there_is_works():
    assert poisson(3, 5e-324, seed=1) == (0, 0, 0)


def test_a_seed_gives_the_arrivals_it_always_gave():
    assert poisson(5, 0.25, seed=28) == (0, 29965503, 65026015, 292392590, 341410126)


@given(n=st.integers(2, 200), more=st.integers(1, 50), seed=SEEDS)
def test_same_seed_same_schedule_and_a_longer_run_only_adds(n, more, seed):
    assert poisson(n, 0.5, seed) == poisson(n + more, 0.5, seed)[:n]
    assert poisson(n, 0.5, seed) != poisson(n, 0.5, seed + 1)


@given(seed=SEEDS)
def test_interval_only_stretches(seed):
    """Invariant: the same seed at another rate is the same arrivals, scaled."""
    slow, fast = poisson(100, 1.0, seed), poisson(100, 0.25, seed)
    assert all(abs(a - 4 * b) <= 4 for a, b in zip(slow, fast, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_poisson_gaps_are_exponential(seed):
    """Mean m, standard deviation m, P(gap > m) = 1/e; Kolmogorov distance within its 0.1 % bound."""
    gaps = sorted(gaps_s(poisson(10_001, 0.5, seed)))
    assert statistics.fmean(gaps) == pytest.approx(0.5, rel=0.05)
    assert statistics.pstdev(gaps) == pytest.approx(0.5, rel=0.08)
    distance = max(
        abs((rank + 0.5) / len(gaps) - (1 - math.exp(-gap / 0.5))) for rank, gap in enumerate(gaps)
    )
    assert distance < 1.95 / len(gaps) ** 0.5


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_gamma_gaps_have_their_mean_and_the_spread_of_their_burstiness(burstiness):
    """Standard deviation = mean / sqrt(burstiness): twice the mean at 0.25, half of it at 4."""
    gaps = gaps_s(gamma(40_001, 0.5, burstiness, 3))
    assert statistics.fmean(gaps) == pytest.approx(0.5, rel=0.05)
    assert statistics.pstdev(gaps) == pytest.approx(0.5 / burstiness**0.5, rel=0.05)
    assert gamma(50, 0.5, burstiness, 3) == gamma(60, 0.5, burstiness, 3)[:50]


def dues(text, law="constant", seed=1, burstiness=1.0):
    return [due / 1e9 for due in Spacing(law, burstiness).stepped(RATE_STEPS.parse(text), seed)]


def test_steps_have_their_rates_one_after_another():
    assert dues("1/s 3s, 4/s 1s") == [0, 1, 2, 3, 3.25, 3.5, 3.75]
    assert dues("30/min 4s") == [0, 2]
    assert dues("0/s 2s, 1/s 2s") == [2, 3]


def test_a_ramp_has_the_arrivals_of_its_mean_rate():
    """From 0 to 2/s over 4 s: k have come at t = 2 sqrt(k); from 2/s to 0 the same from its end."""
    assert dues("0..2/s 4s") == pytest.approx([2 * k**0.5 for k in range(4)])
    assert dues("2..0/s 4s") == pytest.approx([4 - 2 * (4 - k) ** 0.5 for k in range(4)])


@pytest.mark.parametrize(("law", "burstiness"), [("poisson", 1.0), ("gamma", 0.5)])
def test_drawn_arrivals_follow_the_rates(law, burstiness):
    found = dues("10/s 100s, 40..0/s 100s, 5/min 60s", law, 7, burstiness)
    counts = [sum(begins <= due < begins + 50 for due in found) for begins in (0, 50, 100, 150)]
    for count, mean in zip(counts, (500, 500, 1500, 500), strict=True):
        assert count == pytest.approx(mean, abs=4 * (mean / burstiness) ** 0.5)
    assert found == sorted(found)
    assert 200 < found[-1] < 260
    assert found == dues("10/s 100s, 40..0/s 100s, 5/min 60s", law, 7, burstiness)


def test_a_step_is_named_by_its_place_and_rate():
    steps = RATE_STEPS.parse("1/s 60s, 5..1/s for 2m")
    assert [group_of(steps, place) for place in (0, 1)] == ["step 1: 1/s", "step 2: 5 to 1/s"]
    assert step_ends_s(steps) == [60, 180]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1/s", "must be rates and times such as"),
        ("1/s 60s; 5/s 2m", "must be rates and times such as"),
        ("-1/s 60s", "'-1/s 60s' is not"),
        ("1/day 60s", "'1/day 60s' is not"),
        ("0/s 60s", "makes no arrival"),
        ("1000/s 2h", "at most 1,000,000"),
        ("1/h 24h" + ", 1/h 24h" * 31, "more than 31 days"),
        (", ".join(["1/s 1s"] * 101), "at most 100"),
    ],
)
def test_wrong_steps_say_what_is_wrong(text, words):
    with pytest.raises(InvalidValue, match=words):
        RATE_STEPS.parse(text)


@pytest.mark.parametrize("interval_s", [-0.1, float("nan"), float("inf")])
def test_impossible_intervals_are_refused(interval_s):
    for make in (lambda: constant(3, interval_s), lambda: poisson(3, interval_s, 1)):
        with pytest.raises(ValueError, match="must be 0 or more"):
            make()


@given(schedule=st.lists(st.integers(0, 10**12), max_size=200), workers=st.integers(1, 16))
def test_workers_share_every_entry_exactly_once(schedule, workers):
    """Invariant: put back together by index, the shares are the schedule; sizes differ by at most one."""
    shares = [split(schedule, position, workers) for position in range(workers)]
    together = {
        position + k * workers: due for position, share in enumerate(shares) for k, due in enumerate(share)
    }
    assert [together[index] for index in range(len(schedule))] == schedule
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("position", "workers"), [(2, 2), (-1, 2), (0, 0)])
def test_a_worker_out_of_range_is_refused(position, workers):
    with pytest.raises(ValueError, match="must be 0"):
        split((1, 2, 3), position, workers)
