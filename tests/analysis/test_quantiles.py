"""Percentiles against numpy and by hand; their intervals against exact arithmetic and against chance."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from chatload.analysis.quantiles import interval, interval_ranks, least_n, percentile

SHARES = (0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 101, 999])
@pytest.mark.parametrize("p", SHARES)
def test_percentile_is_numpys_default(n: int, p: float) -> None:
    draw = random.Random(n)
    values = sorted(draw.lognormvariate(5, 1) for _ in range(n))
    assert percentile(values, p) == pytest.approx(float(np.percentile(values, 100 * p)), rel=1e-12)


def test_percentile_by_hand() -> None:
    assert percentile([10, 20, 30, 40], 0.5) == 25
    assert percentile([10, 20, 30, 40], 0.9) == pytest.approx(37)
    assert percentile([7], 0.99) == 7


def test_failed_turns_as_infinity() -> None:
    """Below the first infinite value nothing changes; from the first step towards it, all is infinite."""
    values = [1.0, 2.0, 3.0, math.inf, math.inf]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.51) == math.inf
    assert percentile(values, 1.0) == math.inf


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def exact_cdf(n: int, p: Fraction) -> list[Fraction]:
    """P(B <= k) for B ~ Binomial(n, p), as fractions."""
    total, found = Fraction(0), []
    for k in range(n + 1):
        total += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        found.append(total)
    return found


@pytest.mark.parametrize("n", [6, 20, 36, 72, 100, 368, 500])
@pytest.mark.parametrize("share", ["1/2", "9/10", "19/20", "99/100"])
def test_ranks_against_exact_binomial(n: int, share: str) -> None:
    """l is the largest rank with P(B < l) <= 2.5 %, u the smallest with P(B >= u) <= 2.5 %: no rank is given away."""
    p, tail = Fraction(share), Fraction(25, 1000)
    cdf = exact_cdf(n, p)
    below = [Fraction(0), *cdf]  # below[k] = P(B < k)
    lower = max((k for k in range(1, n + 1) if below[k] <= tail), default=None)
    upper = min((k for k in range(1, n + 1) if 1 - below[k] <= tail), default=None)
    ranks = interval_ranks(n, float(p))
    if lower is None or upper is None:
        assert ranks is None
    else:
        assert ranks == (lower, upper)
        assert below[ranks[1]] - below[ranks[0]] >= Fraction(95, 100)


def test_interval_covers_as_often_as_it_says() -> None:
    """At n = 100, the true p90 of a uniform lies in the 95 % interval in 95 % of 2,000 samples, less chance."""
    draw = random.Random(5)
    hits = 0
    for _ in range(2000):
        found = interval(sorted(draw.random() for _ in range(100)), 0.9)
        assert found is not None
        hits += found[0] <= 0.9 <= found[1]
    assert hits / 2000 > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 2000)


@pytest.mark.parametrize(("p", "n"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_least_n_is_where_the_interval_begins(p: float, n: int) -> None:
    assert least_n(p) == n
    assert interval_ranks(n, p) is not None
    assert interval_ranks(n - 1, p) is None


def test_interval_of_many_is_narrow_and_quick() -> None:
    ranks = interval_ranks(1_000_000, 0.99)
    assert ranks is not None
    assert 989_700 < ranks[0] < 990_000 < ranks[1] < 990_300
