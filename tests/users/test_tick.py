"""The tick's period against gaps made by hand."""

from __future__ import annotations

import pytest

from chatload.users.tick import PERIODS_S, Tick


def after(gaps_ms: list[float]) -> float:
    tick = Tick()
    tick.heard([round(gap * 1000) for gap in gaps_ms])
    tick.reconsider()
    return tick.period_s


@pytest.mark.parametrize(
    ("gaps_ms", "period_s"),
    [
        ([25.0] * 300, 0.005),
        ([10.0] * 300, 0.005),
        ([4.0] * 300, 0.002),
        ([25.0] * 295 + [0.0] * 5, 0.002),
        ([25.0] * 298 + [0.0] * 2, 0.005),
        ([25.0] * 290 + [7.0] * 10, 0.002),
        ([25.0] * 100, 0.002),  # too few to tell
    ],
)
def test_the_period_keeps_tokens_apart(gaps_ms: list[float], period_s: float) -> None:
    assert after(gaps_ms) == period_s


def test_it_changes_its_mind() -> None:
    tick = Tick()
    tick.heard([25_000] * 1000)
    assert tick.reconsider()
    assert tick.period_s == PERIODS_S[-1]
    assert not tick.reconsider()
    tick.heard([0] * 200)  # tokens that shared a stamp, because the period is too long for them
    assert tick.reconsider()
    assert tick.period_s == PERIODS_S[0]
    for _ in range(20):
        tick.heard([25_000] * 200)
        tick.reconsider()
    assert tick.period_s == PERIODS_S[-1]
