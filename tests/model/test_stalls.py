"""Stalls and reading underrun, by hand."""

from __future__ import annotations

import pytest

from chatload.model.stalls import StallRule, reading_underrun_ms, stalls_ms
from chatload.model.turn import Turn

MS = 1_000_000


def turn_of(gaps_ms: list[float], **more: object) -> Turn:
    gaps_us = tuple(round(gap * 1000) for gap in gaps_ms)
    facts: dict[str, object] = {
        "first_token_ns": 0, "last_token_ns": sum(gaps_us) * 1000, "tokens": len(gaps_us) + 1,
        "first_event_tokens": 1, "gaps_us": gaps_us,
    } | more  # fmt: skip
    return Turn(turn_id="t", request_id="r", user=0, turn=1, due_ns=0, end_ns=10**12, **facts)  # type: ignore[arg-type]


def test_two_seconds_in_the_middle_are_a_stall() -> None:
    assert stalls_ms(turn_of([20, 20, 2000, 20])) == [2000]


def test_five_times_the_median_is_a_stall_from_200_ms_on() -> None:
    assert stalls_ms(turn_of([20, 20, 190, 20])) == []
    assert stalls_ms(turn_of([20, 20, 210, 20])) == [210]
    assert stalls_ms(turn_of([100, 100, 490, 100])) == []
    assert stalls_ms(turn_of([100, 100, 510, 100])) == [510]


def test_over_one_second_is_always_a_stall() -> None:
    assert stalls_ms(turn_of([900, 1000, 1001, 950])) == [1001]


def test_bursts_are_no_stalls() -> None:
    assert stalls_ms(turn_of([0, 0, 0, 60, 0, 0, 0, 60])) == []


def test_own_rule_and_no_gap() -> None:
    assert stalls_ms(turn_of([]), StallRule(0.01)) == []
    assert stalls_ms(turn_of([5, 30, 5]), StallRule(limit_s=0.02)) == [30]


def test_fast_text_never_makes_a_reader_wait() -> None:
    """A reader of 10 tokens/s needs 100 ms a token; text at 20 ms a token is always ahead."""
    assert reading_underrun_ms(turn_of([20] * 10)) == 0


def test_slow_text_makes_the_reader_wait_at_every_token() -> None:
    """At 150 ms a token the reader waits 50 ms before each of 10 tokens."""
    assert reading_underrun_ms(turn_of([150] * 10)) == pytest.approx(500)


def test_a_stall_is_read_over_while_text_is_left() -> None:
    """5 tokens at once are 500 ms of reading: of a 2 s gap the reader waits 1.5 s."""
    found = reading_underrun_ms(turn_of([0, 0, 0, 0, 2000]))
    assert found == pytest.approx(1500)


def test_counted_events_are_read_by_their_counts() -> None:
    """4 tokens, 300 ms later 6, 500 ms later 1: the first 400 ms cover the first gap, 1,000 ms the second."""
    turn = turn_of([300, 500], tokens=11, first_event_tokens=4, event_tokens=(6, 1))
    assert reading_underrun_ms(turn) == 0
    turn = turn_of([600, 500], tokens=6, first_event_tokens=4, event_tokens=(1, 1))
    assert reading_underrun_ms(turn) == pytest.approx(200 + 400)


def test_reader_of_another_speed() -> None:
    assert reading_underrun_ms(turn_of([150] * 10), reader_tokens_per_s=5) == 0


def test_unknown_without_tokens() -> None:
    assert reading_underrun_ms(turn_of([20], tokens=None)) is None
    assert reading_underrun_ms(turn_of([], first_token_ns=None)) is None
