"""Each formula of a turn by hand, and where it is undefined."""

from __future__ import annotations

import pytest

from chatload.model import metrics
from chatload.model.turn import Turn
from tests.changes import replace

MS = 1_000_000

TURN = Turn(
    turn_id="t", request_id="r", user=0, turn=1, due_ns=1000 * MS, sent_ns=1003 * MS, headers_ns=1010 * MS,
    first_byte_ns=1011 * MS, first_token_ns=1203 * MS, first_answer_ns=1303 * MS, last_token_ns=2203 * MS,
    end_ns=2210 * MS, tokens=51, first_event_tokens=1, gaps_us=(100_000, 900_000), ok=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ttft_ms", 200.0),
        ("ttfa_ms", 300.0),
        ("ttft_from_due_ms", 203.0),
        ("first_byte_ms", 8.0),
        ("headers_ms", 7.0),
        ("e2e_ms", 1200.0),
        ("whole_ms", 1207.0),
        ("tpot_ms", 20.0),
        ("decode_tokens_per_s", 50.0),
        ("felt_tokens_per_s", 42.5),
        ("max_gap_ms", 900.0),
        ("late_ms", 3.0),
    ],
)
def test_formula(name: str, value: float) -> None:
    assert metrics.metric(name).value(TURN) == pytest.approx(value)


def test_every_metric_is_tested_here() -> None:
    assert len(metrics.turn_metrics()) == 20


@pytest.mark.parametrize("name", sorted(one.key for one in metrics.turn_metrics()))
def test_nothing_is_zero_when_nothing_came(name: str) -> None:
    """A turn that was never sent has no number, and none of them is 0."""
    never = Turn(turn_id="t", request_id="r", user=0, turn=1, due_ns=0, end_ns=5 * MS)
    assert metrics.metric(name).value(never) is None


@pytest.mark.parametrize(("tokens", "first"), [(1, 1), (4, 4), (3, 4)])
def test_tpot_needs_tokens_after_the_first_event(tokens: int, first: int) -> None:
    turn = replace(TURN, tokens=tokens, first_event_tokens=first)
    assert metrics.tpot_ms(turn) is None
    assert metrics.decode_tokens_per_s(turn) is None


def test_tpot_of_several_tokens_an_event() -> None:
    """52 tokens, 12 of them in the first event: 1,000 ms / 40."""
    assert metrics.tpot_ms(replace(TURN, tokens=52, first_event_tokens=12)) == pytest.approx(25)


def test_no_time_belongs_to_an_unseen_end_token() -> None:
    assert metrics.tpot_ms(replace(TURN, tokens=52, tail_tokens=1)) == pytest.approx(20)


def test_tpot_is_undefined_when_all_came_at_once() -> None:
    assert metrics.tpot_ms(replace(TURN, last_token_ns=TURN.first_token_ns)) is None


def test_felt_speed_needs_tokens() -> None:
    assert metrics.felt_tokens_per_s(replace(TURN, tokens=0)) is None


THINKING = replace(TURN, reasoning_tokens=21, first_answer_tokens=2, tail_tokens=1)
BILLED_ONLY = replace(TURN, first_answer_ns=1203 * MS, reasoning_tokens=200, usage_tokens=251)


@pytest.mark.parametrize(
    ("name", "shown", "hidden"),
    [
        ("reasoning_ms", 100.0, None),  # first token 1203, answer 1303
        ("reasoning_tokens", 21, 200),
        ("answer_tokens", 30, 51),
        ("reasoning_share", 21 / 51, 200 / 251),
        ("reasoning_tokens_per_s", 210.0, None),
        ("answer_tokens_per_s", (30 - 2 - 1) / 0.9, None),  # until 2203
    ],
)
def test_reasoning_and_answer_have_numbers_of_their_own(
    name: str, shown: float, hidden: float | None
) -> None:
    of = metrics.metric(name).value
    assert of(THINKING) == pytest.approx(shown)
    assert of(BILLED_ONLY) == (hidden if hidden is None else pytest.approx(hidden))
    assert of(TURN) is None  # nobody knows of reasoning
    no_answer = replace(THINKING, first_answer_ns=None, reasoning_tokens=51)
    assert (of(no_answer) is None) == (name not in ("reasoning_tokens", "answer_tokens", "reasoning_share"))


def test_the_final_answer_is_timed_from_its_question() -> None:
    answer = replace(TURN, question_ns=203 * MS, tool_rounds=2)
    assert metrics.metric("final_answer_ms").value(answer) == 2000.0
    assert metrics.metric("tool_rounds").value(answer) == 2
    assert metrics.metric("tool_rounds").value(replace(answer, tool_rounds=0)) == 0, "answered at once"
    assert (metrics.metric("final_answer_ms").value(TURN), metrics.metric("tool_rounds").value(TURN)) == (
        None,
        None,
    )
