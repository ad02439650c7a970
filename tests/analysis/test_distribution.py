"""Distributions: by hand, against numpy, and counted values against the same values written out."""

from __future__ import annotations

import random

import numpy as np
import pytest

from chatload.analysis.block_interval import Blocks, quantile_estimate
from chatload.analysis.distribution import Counted, describe, describe_counted, with_failures


def test_by_hand() -> None:
    found = describe([30, 10, 20])
    assert (found.n, found.mean, found.min, found.p50, found.p90, found.p95, found.max) == (
        3,
        20,
        10,
        20,
        28,
        29,
        30,
    )
    assert found.p99 == pytest.approx(29.8)
    assert (found.too_small, found.interval) == (("p50", "p90", "p95", "p99"), None)


def test_nothing() -> None:
    found = describe([])
    assert found.n == 0
    assert {found.statistic(name) for name in ("mean", "min", "p50", "p99", "max")} == {None}


def test_intervals_where_n_supports_them() -> None:
    values = [random.Random(1).random() for _ in range(100)]
    blocks = Blocks(0, 100, 5)
    block = [blocks.of(at) for at in range(100)]
    found = describe(values, block, blocks)
    assert found.too_small == ("p99",)
    assert found.interval is not None
    assert found.interval.keys() == found.design_effect.keys() == {"p50", "p90", "p95"}
    for name, p in (("p50", 0.5), ("p95", 0.95)):
        told = quantile_estimate(values, block, blocks, p)
        assert (found.interval[name], found.design_effect[name]) == (
            (told.low, told.high),
            told.design_effect,
        )
    assert found.interval["p95"][1] is None, "100 turns have no upper end of their p95"
    assert describe(values).interval is None, "without blocks of time there is none"


def test_counted_is_the_same_as_written_out() -> None:
    draw = random.Random(2)
    counts = {draw.randrange(5000): draw.randrange(1, 50) for _ in range(300)}
    values = [value / 1000 for value, n in counts.items() for _ in range(n)]
    found = describe_counted(counts, 1e-3)
    for name, share in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)):
        assert found.statistic(name) == pytest.approx(float(np.percentile(values, share)))
    assert found.n == len(values)
    assert found.mean == pytest.approx(float(np.mean(values)))
    assert (found.min, found.max) == (pytest.approx(min(values)), pytest.approx(max(values)))


def test_counted_behaves_as_a_sequence() -> None:
    counted = Counted({5: 2, 1: 3}, 2.0)
    assert list(counted) == [2, 2, 2, 10, 10]
    assert counted[-1] == 10
    assert counted[1:4] == [2, 2, 10]
    with pytest.raises(IndexError):
        counted[5]
    assert len(Counted({})) == 0


def test_failed_turns_are_endless() -> None:
    """95 good and 5 failed: p90 is as usual, p95 touches the first endless one, JSON says null."""
    found = with_failures([float(i) for i in range(95)], 5)
    assert (found.n, found.failed) == (100, 5)
    assert found.p90 == pytest.approx(89.1)
    assert found.p95 is None
    assert found.p99 is None


def test_all_failed_and_nothing_held() -> None:
    assert with_failures([], 3).p50 is None
    assert with_failures([], 0).n == 0
