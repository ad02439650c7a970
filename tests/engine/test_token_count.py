"""Order of trust in token counts, what a usage may mean, when it is doubted, and how many tokens came first."""

from __future__ import annotations

import pytest

from chatload.engine.token_count import Part, Seen, TokenCount, count_tokens
from chatload.model.token_sources import DOUBTS
from chatload.model.turn import Usage
from tests.changes import replace

SEEN = Seen(
    all=Part(events=10, characters=70),
    first_event=Part(1, 7, 1),
    first_read=Part(1, 7, 1),
    most_bytes=70,
    finish="stop",
)
"""Ten events of seven characters."""


def n_of(seen: Seen) -> tuple[int, str]:
    found = count_tokens(seen)
    return found.tokens, found.source


def by_usage(seen: Seen, completion: int, **more: int) -> TokenCount:
    return count_tokens(replace(seen, usage=Usage(completion, **more)))


def counting(seen: Seen, tokens: int, **more: object) -> Seen:
    return replace(seen, counted=True, all=seen.all._replace(counted=tokens), **more)


def test_order_of_trust() -> None:
    assert n_of(SEEN) == (10, "estimate")
    assert n_of(replace(SEEN, finish="length", max_tokens=30)) == (30, "limit")
    tidy_end = replace(SEEN, finish="end", max_tokens=30)
    assert n_of(replace(tidy_end, ignores_eos=True)) == (30, "limit")
    assert n_of(tidy_end)[1] == "estimate"
    assert n_of(replace(SEEN, finish="length", max_tokens=41)) == (10, "estimate")
    assert n_of(counting(SEEN, 12, finish="length", max_tokens=30)) == (12, "per_event")
    assert n_of(counting(SEEN, 10, one_token_per_event=True)) == (10, "one_per_event")
    assert n_of(counting(SEEN, 12, usage=Usage(13))) == (13, "usage")
    assert n_of(Seen()) == (0, "none")


@pytest.mark.parametrize(
    ("usage", "doubt"),
    [
        (Usage(0), "zero"),
        (Usage(0, 0, None, 0), "zero"),
        (Usage(1_000_000), "too_many"),
        (Usage(1_000_000, 7, None, 1_000_007), "too_many"),
        (Usage(80), "too_many"),  # more tokens than bytes
        (Usage(55), "too_many"),  # 1.3 characters a token
        (Usage(1), "too_few"),
        (Usage(5), "too_few"),  # 14 characters a token, and fewer than events
        (Usage(14, 7, None, 30), "not_the_sum"),
    ],
)
def test_usage_that_cannot_be_true(usage: Usage, doubt: str) -> None:
    found = count_tokens(replace(SEEN, usage=usage))
    assert (found.tokens, found.source, found.doubt) == (10, "estimate", doubt)
    assert found.usage_tokens == usage.completion_tokens
    assert doubt in DOUBTS


def test_a_token_has_a_byte_at_least() -> None:
    chinese = replace(SEEN, ascii=False, most_bytes=280)
    assert by_usage(chinese, 284).doubt == ""
    assert by_usage(chinese, 285).doubt == "too_many"


@pytest.mark.parametrize(
    "usage",
    [
        Usage(10),
        Usage(11, 7, None, 18),
        Usage(20),  # merged events
        Usage(9),
        Usage(10, 7, None, 0),  # no total told
        Usage(10, 7, None, 99),  # its total is wrong; the events agree
        Usage(47),
    ],
)
def test_usage_that_can_be_true(usage: Usage) -> None:
    found = count_tokens(replace(SEEN, usage=usage))
    assert (found.tokens, found.source, found.doubt) == (usage.completion_tokens, "usage", "")


def test_a_merged_reply_of_digits_is_not_doubted_where_it_is_short() -> None:
    digits = replace(SEEN, all=Part(2, 20), most_bytes=20)
    assert by_usage(digits, 20).doubt == ""


def test_usage_is_of_the_whole_reply_only_after_its_last_text() -> None:
    found = count_tokens(replace(SEEN, usage=Usage(1, 7, None, 8), usage_is_last=False))
    assert (found.tokens, found.doubt) == (10, "early")


def test_hidden_reasoning_is_billed_not_seen() -> None:
    found = by_usage(SEEN, 90, reasoning_tokens=80)
    assert (found.tokens, found.source, found.usage_tokens, found.doubt) == (10, "usage", 90, "")
    assert by_usage(SEEN, 10, reasoning_tokens=80, prompt_tokens=7, total_tokens=97).tokens == 10
    gemini = by_usage(
        SEEN, 20, prompt_tokens=7, total_tokens=127
    )  # told in the total only, 2 tokens an event
    assert (gemini.tokens, gemini.source, gemini.usage_tokens, gemini.doubt) == (20, "usage", 120, "")
    assert (
        by_usage(SEEN, 14, prompt_tokens=7, total_tokens=37).doubt == "not_the_sum"
    )  # 30 can be of the text


def test_rejected_predictions_are_billed_not_seen() -> None:
    assert by_usage(SEEN, 40, rejected_tokens=30).tokens == 10
    assert by_usage(SEEN, 120, rejected_tokens=30, reasoning_tokens=80).tokens == 10


def test_reasoning_that_is_shown_counts_however_usage_has_it() -> None:
    shown = replace(SEEN, reasoning=35)
    assert by_usage(shown, 10, reasoning_tokens=5).tokens == 10
    beside = by_usage(shown, 5, reasoning_tokens=5, prompt_tokens=7, total_tokens=17)
    assert (beside.tokens, beside.usage_tokens) == (10, 10)
    assert by_usage(shown, 5, reasoning_tokens=5).tokens == 10  # no total: ten events are not five tokens


def test_reasoning_within_the_answer_is_seen() -> None:
    """No reasoning field, but as many events as usage says: the text has it between <think> marks."""
    assert by_usage(replace(SEEN, all=Part(100, 400), most_bytes=400), 100, reasoning_tokens=80).tokens == 100


def test_a_summary_of_the_reasoning_is_not_the_reasoning() -> None:
    found = by_usage(replace(SEEN, reasoning=35, most_bytes=9000), 900, reasoning_tokens=880)
    assert (found.tokens, found.source, found.doubt) == (10, "estimate", "too_many")


def test_nothing_was_seen_of_a_reply_that_only_reasoned() -> None:
    found = by_usage(Seen(finish="length"), 2000, reasoning_tokens=2000)
    assert (found.tokens, found.usage_tokens, found.doubt) == (0, 2000, "")


def test_a_count_that_stands_still_is_none() -> None:
    one = counting(SEEN, 1, repeated=9, usage=Usage(1), usage_is_alone=False)
    assert (count_tokens(one).tokens, count_tokens(one).doubt) == (10, "repeats")
    many = counting(SEEN, 64, repeated=9, usage=Usage(64), usage_is_alone=False)
    assert (n_of(many), count_tokens(many).trusts_events) == ((10, "estimate"), False)
    assert n_of(replace(one, usage=Usage(10), usage_is_alone=True)) == (10, "usage")


def test_per_event_counts_tell_how_much_of_usage_was_seen() -> None:
    """Forty tokens that no detail explains, ten counted with their text: thirty were hidden."""
    found = count_tokens(counting(SEEN, 10, usage=Usage(40)))
    assert (found.tokens, found.source, found.usage_tokens, found.doubt) == (10, "per_event", 40, "")
    with_end = count_tokens(counting(SEEN, 10, tail=1, usage=Usage(11)))
    assert (with_end.tokens, with_end.tail) == (11, 1)


def test_single_characters_are_no_tokens() -> None:
    cut = replace(SEEN, all=Part(140, 140), most_bytes=140)
    assert n_of(cut) == (35, "characters")
    assert n_of(replace(cut, usage=Usage(20))) == (20, "usage")
    assert n_of(replace(cut, ascii=False, most_bytes=560)) == (
        140,
        "estimate",
    )  # Chinese: a character a token


@pytest.mark.parametrize(
    ("characters_first", "tokens", "expected"),
    [
        (7, 40, (4, "share_of_text")),
        (1, 40, (1, "share_of_text")),
        (70, 40, (40, "share_of_text")),
        (50, 11, (1, "one_per_event")),
        (50, 10, (1, "one_per_event")),
    ],
)
def test_first_event(characters_first: int, tokens: int, expected: tuple[int, str]) -> None:
    first = Part(1, characters_first)
    found = by_usage(replace(SEEN, first_event=first, first_read=first), tokens)
    assert (found.first_event, found.first_source) == expected
    assert found.first_read == expected[0]


def test_first_read_has_all_that_came_with_the_first_token() -> None:
    burst = replace(SEEN, first_read=Part(6, 42, 12))
    assert by_usage(burst, 10).first_read == 6
    assert by_usage(burst, 20).first_read == 12  # their share of the text
    assert count_tokens(counting(burst, 15)).first_read == 12


def test_a_count_of_before_each_event_is_none() -> None:
    lagging = counting(SEEN, 9, first_event=Part(1, 7, 0), usage=Usage(9), usage_is_alone=False)
    found = count_tokens(lagging)
    assert (found.tokens, found.source, found.doubt) == (10, "estimate", "early")
    found = count_tokens(replace(lagging, usage=Usage(10), usage_is_alone=True))
    assert (found.tokens, found.source, found.doubt, found.tail) == (10, "usage", "", 0)


def test_first_event_counted_or_unknown() -> None:
    counted = counting(SEEN, 15, first_event=Part(1, 7, 3))
    assert (count_tokens(counted).first_event, count_tokens(counted).first_source) == (3, "counted")
    assert count_tokens(Seen()).first_event is None


@pytest.mark.parametrize(
    ("usage", "finish", "expected"),
    [(11, "stop", 1), (10, "stop", 0), (12, "stop", 0), (11, "length", 0), (11, None, 0), (None, "stop", 0)],
)
def test_tail(usage: int | None, finish: str | None, expected: int) -> None:
    assert count_tokens(replace(SEEN, usage=Usage(usage), finish=finish)).tail == expected
