"""The histogram against exact percentiles. Invariant: counts are exact, values within 1 %, merging loses nothing."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.analysis.histogram import ERROR, Histogram
from chatload.analysis.quantiles import percentile

VALUES = st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=200)
SHARES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0)


@given(VALUES)
def test_every_quantile_is_within_the_promised_error(values: list[float]) -> None:
    histogram, ordered = Histogram(values), sorted(values)
    for p, found in zip(SHARES, histogram.quantiles(*SHARES), strict=True):
        assert found == pytest.approx(percentile(ordered, p), rel=ERROR * 1.000001)
    assert ERROR <= 0.01


@given(st.lists(VALUES, max_size=6))
def test_merged_is_the_same_as_counted_in_one(parts: list[list[float]]) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(Histogram(part))
    whole = Histogram([value for part in parts for value in part])
    assert merged.count == whole.count == sum(map(len, parts))
    assert merged.quantiles(*SHARES) == whole.quantiles(*SHARES)
    assert merged.total == pytest.approx(whole.total)


@given(VALUES)
def test_one_by_one_is_the_same_as_all_at_once(values: list[float]) -> None:
    one = Histogram()
    for value in values:
        one.add(value)
    assert one.quantiles(*SHARES) == Histogram(values).quantiles(*SHARES)
    assert (one.least, one.greatest) == (min(values), max(values))


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None


def test_zeros_and_less_count_and_come_first() -> None:
    histogram = Histogram([0.0, 0.0, 0.0, -0.5, 100.0])
    assert histogram.count == 5
    assert histogram.quantile(0.5) == 0.0
    assert histogram.quantile(0.0) == -0.5
    assert histogram.quantile(1.0) == 100.0


def test_exact_at_both_ends_and_for_a_single_value() -> None:
    assert Histogram([123.456]).quantiles(0.0, 0.5, 1.0) == [123.456] * 3
    histogram = Histogram([1.0, 5.0, 1234.5])
    assert (histogram.least, histogram.greatest, histogram.mean) == (1.0, 1234.5, pytest.approx(413.5))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_is_refused_and_not_counted(bad: float) -> None:
    histogram = Histogram([1.0])
    with pytest.raises((ValueError, OverflowError)):
        histogram.add(bad)
    with pytest.raises((ValueError, OverflowError)):
        histogram.add_all([2.0, bad])
    assert histogram.count == 1


def test_a_million_values_stay_small() -> None:
    draw = random.Random(1)
    histogram = Histogram(draw.lognormvariate(3, 1) for _ in range(200_000))
    assert len(histogram._buckets) < 1500
