"""ReplyMeter on replies whose every number was worked out by hand. Stamps are in ms here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.engine.reply_timing import ReplyMeter
from chatload.model.turn import Delta, Message, TextDeltas, TurnRequest, Usage

MS = 1_000_000


def metered(
    stamps_ms: Sequence[float], deltas: Sequence[Delta], *, one: bool = False, limit: int | None = None
) -> dict[str, Any]:
    """What the meter says of deltas that point at reads of these stamps."""
    stamps = [round(at * MS) for at in stamps_ms]
    request = TurnRequest((Message("user", "hi"),), max_tokens=limit)
    meter = ReplyMeter(stamps, request, one_token_per_event=one)
    for delta in deltas:
        meter.add(delta)
    return meter.instants()


def test_role_event_is_no_token() -> None:
    """Role at 20 ms, text at 200, 230 and 260 ms: TTFT belongs to the second event."""
    found = metered([20, 200, 230, 260], [Delta(0), Delta(1, "a"), Delta(2, "b"), Delta(3, "c")])
    assert found["first_event_ns"] == 20 * MS
    assert found["first_token_ns"] == 200 * MS
    assert found["last_token_ns"] == 260 * MS
    assert found["gaps_us"] == (30_000, 30_000)
    assert (found["tokens"], found["token_source"], found["events"]) == (3, "estimate", 3)


def test_reasoning_is_the_first_token_but_not_the_first_answer() -> None:
    found = metered([10, 50, 90], [Delta(0, reasoning="hm"), Delta(1, reasoning="so"), Delta(2, "Yes")])
    assert found["first_token_ns"] == 10 * MS
    assert found["first_answer_ns"] == 90 * MS
    assert found["characters"] == 7


THOUGHTS = [Delta(0, reasoning="hm"), Delta(1, reasoning="so"), Delta(2, reasoning="then")]
INLINE = [Delta(0, "<think>"), Delta(1, "hm"), Delta(2, "so</think>"), Delta(3, "Yes"), Delta(4, "!")]
HIDDEN = Usage(9, 5, None, 14, reasoning_tokens=7)


@pytest.mark.parametrize(
    ("deltas", "tokens", "source", "first_answer"),
    [
        ([Delta(0, "Yes"), Delta(1, "!")], None, None, None),
        ([*THOUGHTS, Delta(3, "Yes"), Delta(4, "!")], 3, "one_per_event", 1),
        ([one._replace(tokens=2) for one in (*THOUGHTS, Delta(3, "Yes sir"))], 6, "counted", 2),
        ([*THOUGHTS, Delta(3, "Yes"), Delta(4, usage=Usage(12, 5, reasoning_tokens=8))], 8, "usage", 3),
        ([*THOUGHTS, Delta(3, "Yes"), Delta(4, usage=Usage(12, 5, reasoning_tokens=0))], 9, "share_of_text", 3),
        ([*THOUGHTS, Delta(3, "Yes"), Delta(4, usage=Usage(12, 5, reasoning_tokens=40))], 3, "one_per_event", 1),
        (THOUGHTS, 3, "one_per_event", None),
        (INLINE, 3, "one_per_event", 1),
        (INLINE[:2], 2, "one_per_event", None),
        ([Delta(0, "Yes", reasoning="hmmmmm")], 1, "share_of_text", 1),
        ([Delta(0, "Yes"), Delta(1, "!", usage=HIDDEN)], 7, "usage", None),
    ],
    ids=[
        "none", "events", "counted", "usage", "usage of 0", "usage of too many", "no answer", "inline",
        "inline without an end", "in one event", "hidden",
    ],
)  # fmt: skip
def test_tokens_of_reasoning(
    deltas: list[Delta], tokens: int | None, source: str | None, first_answer: int | None
) -> None:
    found = metered([10.0 * k for k in range(1, 6)], deltas)
    assert (found.get("reasoning_tokens"), found.get("reasoning_source")) == (tokens, source)
    assert found.get("first_answer_tokens") == first_answer


def test_usage_wins_over_events() -> None:
    deltas = [Delta(0, "a b "), Delta(1, "c d "), Delta(2, finish="stop", usage=Usage(8, 5, 2))]
    found = metered([10, 20, 30], deltas)
    assert (found["tokens"], found["token_source"]) == (8, "usage")
    assert (found["prompt_tokens"], found["cached_tokens"], found["finish"]) == (5, 2, "stop")
    assert (found["first_event_tokens"], found["first_event_source"]) == (4, "share_of_text")
    assert found["last_token_ns"] == 20 * MS  # usage is not a token


def test_tokens_counted_per_event() -> None:
    """Three, one and two tokens: the first event's count is known, the others' are kept."""
    found = metered(
        [10, 20, 30], [Delta(0, "abc", tokens=3), Delta(1, "d", tokens=1), Delta(2, "ef", tokens=2)]
    )
    assert (found["tokens"], found["token_source"]) == (6, "per_event")
    assert (found["first_event_tokens"], found["first_event_source"]) == (3, "counted")
    assert found["event_tokens"] == (1, 2)


def test_one_token_an_event_keeps_no_counts() -> None:
    found = metered([10, 20], [Delta(0, "a", tokens=1), Delta(1, "b", tokens=1)], one=True)
    assert (found["tokens"], found["token_source"], found["event_tokens"]) == (2, "one_per_event", None)


def test_special_token_of_tgi_counts_without_text() -> None:
    """TGI sends </s> as an event with empty text: a token with a moment of its own, no character."""
    deltas = [Delta(0, "a", tokens=1), Delta(1, "b", tokens=1), Delta(2, "", tokens=1, finish="eos_token")]
    found = metered([10, 30, 50], deltas, one=True)
    assert (found["tokens"], found["events"], found["characters"]) == (3, 3, 2)
    assert found["last_token_ns"] == 50 * MS
    assert found["gaps_us"] == (20_000, 20_000)


def test_special_token_before_any_text() -> None:
    """No gap starts at a token without text, but it counts among the tokens up to the first with text."""
    deltas = [Delta(0, "", tokens=1), Delta(1, "a", tokens=1), Delta(2, "b", tokens=1)]
    found = metered([10, 30, 50], deltas, one=True)
    assert found["first_token_ns"] == 30 * MS
    assert (found["tokens"], found["first_event_tokens"]) == (3, 2)
    assert found["gaps_us"] == (20_000,)


def test_one_event_without_its_count_spoils_the_sum() -> None:
    found = metered([10, 20], [Delta(0, "a", tokens=1), Delta(1, "b")])
    assert (found["tokens"], found["token_source"]) == (2, "estimate")
    assert found["event_tokens"] is None


def test_events_of_one_read_are_coalesced() -> None:
    found = metered([10, 40], [Delta(0, "a"), Delta(0, "b"), Delta(1, "c"), Delta(1, "d")])
    assert found["coalesced"] == 2
    assert found["gaps_us"] == (0, 30_000, 0)


def test_gaps_add_up_to_the_last_token() -> None:
    """Rounding to µs never adds up: 1,000 gaps of 33,333,400 ns end within 1 µs of the last stamp."""
    stamps = [i * 33.3334 for i in range(1001)]
    found = metered(stamps, [Delta(i, "x") for i in range(1001)])
    assert abs(found["first_token_ns"] + sum(found["gaps_us"]) * 1000 - found["last_token_ns"]) <= 1000


def test_length_and_limit() -> None:
    """No usage, finish length after 3 events with a limit of 4: four tokens, since events may hold several."""
    deltas = [Delta(0, "a"), Delta(1, "b"), Delta(2, "c", finish="length")]
    assert metered([1, 2, 3], deltas, limit=4)["token_source"] == "limit"
    assert metered([1, 2, 3], deltas, limit=4)["tokens"] == 4
    assert metered([1, 2, 3], deltas, limit=400)["token_source"] == "estimate"
    assert metered([1, 2, 3], deltas, limit=2)["token_source"] == "estimate"


def test_nothing_came() -> None:
    found = metered([10], [Delta(0, finish="stop")])
    assert (found["tokens"], found["token_source"], found["first_token_ns"]) == (0, "none", None)
    assert (found["first_event_tokens"], found["gaps_us"]) == (None, ())


def test_end_of_sequence_token_that_usage_counts() -> None:
    """vLLM: three events of text, usage says 4, finish stop: the fourth is the unseen end token."""
    deltas = [Delta(0, "a"), Delta(1, "b"), Delta(2, "c"), Delta(3, finish="stop", usage=Usage(4))]
    found = metered([10, 20, 30, 31], deltas)
    assert (found["tokens"], found["tail_tokens"], found["first_event_tokens"]) == (4, 1, 1)
    deltas[3] = Delta(3, finish="length", usage=Usage(4))
    assert metered([10, 20, 30, 31], deltas)["tail_tokens"] == 0


def test_reply_id_is_the_first_one() -> None:
    found = metered([1, 2], [Delta(0, reply_id="cmpl-1"), Delta(1, "a", reply_id="other")])
    assert found["reply_id"] == "cmpl-1"


OTHERS = st.lists(st.sampled_from(["a", "bc", "", "def"]), max_size=4)


@given(OTHERS, st.lists(st.sampled_from(["a", "bc", "def"]), min_size=1, max_size=4), OTHERS, st.booleans())
def test_a_row_of_texts_is_what_its_deltas_are_one_by_one(
    before: list[str], in_row: list[str], after: list[str], reasoning: bool
) -> None:
    """Invariant: whichever of the deltas come as a row, every number is the same."""
    texts, start = [*before, *in_row, *after], len(before)
    stamps = [(10 + 7 * i) * MS for i in range(len(texts))]
    single = [Delta(i, reasoning=t) if reasoning else Delta(i, t) for i, t in enumerate(texts)]
    row = TextDeltas(start, in_row, reasoning, None)
    request = TurnRequest((Message("user", "hi"),))
    meters = [ReplyMeter(stamps, request, one_token_per_event=False) for _ in range(2)]
    for delta in single:
        meters[0].add(delta)
    for delta in [*single[:start], row, *single[start + len(row.texts) :]]:
        meters[1].add(delta)
    assert meters[0].instants() == meters[1].instants()
    assert meters[0].text == meters[1].text
    assert meters[0].shares_first_stamp == meters[1].shares_first_stamp
