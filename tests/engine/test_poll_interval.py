"""The interval's period against gaps and ends made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chatload.engine.poll_interval import PAUSES_S, POLL_INTERVALS_S, PollInterval


def after(
    gaps_ms: list[float], end_ms: float | None = 0.0, periods_s: Sequence[float] = POLL_INTERVALS_S
) -> float:
    interval = PollInterval(periods_s)
    for begin in range(0, len(gaps_ms), 100):
        interval.add(
            [round(gap * 1000) for gap in gaps_ms[begin : begin + 100]],
            None if end_ms is None else end_ms * 1000,
        )
    interval.choose()
    return interval.period_s


@pytest.mark.parametrize(
    ("gaps_ms", "period_s"),
    [
        ([25.0] * 300, 0.010),
        ([15.0] * 300, 0.010),
        ([10.0] * 300, 0.005),
        ([4.0] * 300, 0.002),
        ([25.0] * 295 + [0.0] * 5, 0.002),
        ([25.0] * 297 + [0.0] * 3, 0.010),
        ([25.0] * 290 + [12.0] * 10, 0.005),
        ([25.0] * 290 + [7.0] * 10, 0.002),
        ([25.0] * 100, 0.002),  # too few to tell
    ],
)
def test_the_period_keeps_tokens_apart(gaps_ms: list[float], period_s: float) -> None:
    assert after(gaps_ms) == period_s


@pytest.mark.parametrize(
    ("end_ms", "period_s"),
    [
        (None, 0.010),
        (0.3, 0.010),  # shares a read at any period
        (2.0, 0.002),
        (7.0, 0.002),
        (8.0, 0.005),
        (16.0, 0.010),
    ],
)
def test_the_period_keeps_the_end_from_the_last_token(end_ms: float | None, period_s: float) -> None:
    assert after([25.0] * 300, end_ms) == period_s


@pytest.mark.parametrize(
    ("gaps_ms", "end_ms", "pause_s"),
    [
        ([25.0] * 300, 0.0, 0.001),
        ([1.5] * 300, 0.0, 0.001),
        ([1.4] * 300, 0.0, 0.0),
        ([25.0] * 290 + [0.1] * 10, 0.0, 0.0),
        ([25.0] * 300, 1.2, 0.0),
        ([25.0] * 100, 0.0, 0.0),  # too few to tell
    ],
)
def test_a_closed_loop_pauses_only_where_it_keeps_tokens_apart(
    gaps_ms: list[float], end_ms: float, pause_s: float
) -> None:
    assert after(gaps_ms, end_ms, PAUSES_S) == pause_s


def test_it_changes_its_mind() -> None:
    interval = PollInterval(POLL_INTERVALS_S)
    interval.add([25_000] * 1000, None)
    assert interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[-1]
    assert not interval.choose()
    interval.add([0] * 200, None)  # tokens that shared a stamp, because the period is too long for them
    assert interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[0]
    for _ in range(20):
        interval.add([25_000] * 200, None)
        interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[-1]


def test_an_end_seen_now_and_then_shortens_the_period() -> None:
    """At 10 ms an end that follows its token by 3 ms is seen apart from it in three of ten replies."""
    interval = PollInterval(POLL_INTERVALS_S)
    for _ in range(10):
        interval.add([25_000] * 99, 0.0)
    assert interval.choose()
    for _ in range(3):
        interval.add([25_000] * 99, 3_000.0)
    assert interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[0]
