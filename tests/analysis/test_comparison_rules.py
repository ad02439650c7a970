"""The three comparison rules: against values of another implementation, and by what they never say."""

from __future__ import annotations

import math
import random

import pytest

from chatload.analysis.block_interval import Estimate
from chatload.analysis.comparison_rules import (
    CANNOT_TELL,
    DIFFER,
    LESS,
    MORE,
    SAME,
    RunFigure,
    against_baselines,
    difference_of_shares,
    family_level,
    one_run_a_side,
    rounds,
)

LEVEL = family_level(6)


def figure(value: float, log_se: float = 0.01, degrees: float = 4) -> RunFigure:
    return RunFigure(math.log(value), log_se, degrees)


# The limits' logs, as interval_reference.baseline_reach computes them: the scatter s^2 decides, the errors w, s^2 of 6.
BASELINES = [
    ([figure(v) for v in (100, 104, 97, 103)], figure(100), 0.17092394904636288),
    ([figure(v, 0.02) for v in (100, 101, 100, 100.5)], figure(100, 0.03, 9), 0.06414946380194737),
    ([figure(v) for v in (100, 104, 97, 103, 99, 108)], figure(100), 0.14802140835031322),
]


def test_the_level_of_six_figures_together_is_95_percent() -> None:
    assert family_level(6) == pytest.approx(1 - 0.05 / 6)


def test_one_run_a_side_is_welchs_interval() -> None:
    # interval_reference.welch(0.1, 0.01**2, 4, 0.02**2, 9, 1 - 0.05 / 6)
    found = one_run_a_side(RunFigure(0.0, 0.01, 4), RunFigure(0.1, 0.02, 9), 0.05, LEVEL)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(
        (0.02986069681505725, 0.17013930318494275), rel=1e-6
    )


def test_runs_are_the_same_inside_the_margin_and_differ_only_beyond_it() -> None:
    verdicts = [
        one_run_a_side(figure(100, 0.002), figure(b, 0.002), 0.05, LEVEL).verdict for b in (101, 104.8, 107)
    ]
    assert verdicts == [SAME, CANNOT_TELL, DIFFER]
    assert one_run_a_side(figure(100), figure(93), 0.05, LEVEL).verdict == CANNOT_TELL
    assert one_run_a_side(figure(100), figure(80), 0.05, LEVEL).verdict == DIFFER


def test_what_cannot_be_told_says_how_long_it_would_take() -> None:
    found = one_run_a_side(figure(100, 0.02), figure(100, 0.02), 0.05, LEVEL)
    assert found.verdict == CANNOT_TELL
    assert found.longer == pytest.approx((math.log(found.high) / math.log(1.05)) ** 2)
    quieter = 0.02 / math.sqrt(found.longer) * 0.999  # type: ignore[arg-type]
    assert one_run_a_side(figure(100, quieter), figure(100, quieter), 0.05, LEVEL).verdict == SAME


def test_a_figure_without_a_standard_error_decides_nothing() -> None:
    endless = RunFigure(math.log(100), math.inf, 4)
    assert one_run_a_side(figure(100), endless, 0.05, LEVEL).verdict == CANNOT_TELL
    assert rounds([figure(100)] * 3, [endless] * 3, 0.05, LEVEL).verdict == CANNOT_TELL
    assert not against_baselines([figure(100)] * 4, endless, 0.05, LEVEL, more_is_better=False).alarm
    exact = RunFigure(math.log(100), 0.0, 4)
    assert one_run_a_side(exact, exact, 0.05, LEVEL).verdict == SAME


@pytest.mark.parametrize(("stored", "new", "expected"), BASELINES)
def test_the_limit_of_a_check_is_the_reference_s(stored, new, expected) -> None:  # type: ignore[no-untyped-def]
    found = against_baselines(stored, new, 0.05, LEVEL, more_is_better=False)
    assert math.log(found.limit) == pytest.approx(expected, rel=1e-6)


def test_a_check_alarms_on_what_is_worse_only() -> None:
    stored = [figure(value) for value in (99, 100, 101, 100)]
    assert against_baselines(stored, figure(120), 0.05, LEVEL, more_is_better=False).alarm
    assert not against_baselines(stored, figure(80), 0.05, LEVEL, more_is_better=False).alarm
    slow = against_baselines(stored, figure(80), 0.05, LEVEL, more_is_better=True)
    assert slow.alarm and slow.ratio == pytest.approx(0.8, rel=1e-3) and slow.limit < 1


def test_a_difference_surely_within_the_margin_is_no_alarm() -> None:
    stored = [figure(value, 1e-4) for value in (100, 100.01, 100, 100.01)]
    assert not against_baselines(stored, figure(101, 1e-4), 0.05, LEVEL, more_is_better=False).alarm
    assert against_baselines(stored, figure(101, 1e-4), 0.001, LEVEL, more_is_better=False).alarm


def test_few_baselines_alarm_only_beyond_the_margin() -> None:
    near = figure(104, 1e-3)
    assert not against_baselines([figure(100, 1e-3)], near, 0.05, LEVEL, more_is_better=False).alarm
    assert against_baselines([figure(100, 1e-3)] * 4, near, 0.005, LEVEL, more_is_better=False).alarm
    assert against_baselines(
        [figure(100, 1e-3)] * 3, figure(110, 1e-3), 0.05, LEVEL, more_is_better=False
    ).alarm


def test_rounds_that_scatter_widen_the_interval() -> None:
    quiet = rounds([figure(100)] * 4, [figure(103)] * 4, 0.05, LEVEL)
    noisy = rounds([figure(100)] * 4, [figure(b) for b in (98, 108, 96, 110)], 0.05, LEVEL)
    assert quiet.ratio == pytest.approx(1.03) and noisy.high / noisy.low > 1.2 * quiet.high / quiet.low
    # e = 8 * 0.01^2 / 16, 32 degrees of freedom; no scatter
    assert math.log(quiet.high / 1.03) == pytest.approx(0.019886271217997038, rel=1e-6)


def test_rounds_say_more_or_less_from_three_on() -> None:
    assert rounds([figure(100)] * 3, [figure(110)] * 3, 0.05, LEVEL).verdict == MORE
    assert rounds([figure(100)] * 3, [figure(90)] * 3, 0.05, LEVEL).verdict == LESS
    assert rounds([figure(100)] * 2, [figure(90)] * 2, 0.05, LEVEL).verdict in (DIFFER, CANNOT_TELL)
    assert rounds([figure(100)] * 2, [figure(50)] * 2, 0.05, LEVEL).verdict == DIFFER
    one = rounds([figure(100)], [figure(50)], 0.05, LEVEL)
    assert one == one_run_a_side(figure(100), figure(50), 0.05, LEVEL)


def test_shares_differ_by_both_intervals() -> None:
    a, b = Estimate(0.02, 0.01, 0.04, 100), Estimate(0.10, 0.06, 0.16, 100)
    low, high = difference_of_shares(a, b)
    assert low == pytest.approx(0.08 - math.hypot(0.04, 0.02))
    assert high == pytest.approx(0.08 + math.hypot(0.06, 0.01))


def test_alike_runs_get_no_verdict_beyond_the_level() -> None:
    """1,000 comparisons of runs that differ by chance only: 0.8 % may exclude "no effect", fewer are beyond 5 %."""
    draw = random.Random(5)
    said = {LESS: 0, MORE: 0}
    for _ in range(1000):
        runs = [figure(100 * math.exp(draw.gauss(0, 0.03)), 0.03) for _ in range(6)]
        verdict = rounds(runs[:3], runs[3:], 0.05, LEVEL).verdict
        if verdict in said:
            said[verdict] += 1
    assert sum(said.values()) <= 20
