"""Percentiles against numpy and by hand; how many they need against exact arithmetic."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from chatload.analysis.quantiles import least_n, percentile

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


@pytest.mark.parametrize("share", ["1/2", "9/10", "19/20", "99/100"])
def test_least_n_against_exact_binomial(share: str) -> None:
    """The least n with which neither all nor none of independent values below the quantile is likelier than 2.5 %."""
    p, tail = Fraction(share), Fraction(25, 1000)
    n = least_n(float(p))
    assert p**n <= tail and (1 - p) ** n <= tail
    assert p ** (n - 1) > tail or (1 - p) ** (n - 1) > tail


@pytest.mark.parametrize(("p", "n"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_least_n_is_where_the_interval_begins(p: float, n: int) -> None:
    assert least_n(p) == n
