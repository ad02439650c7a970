"""Texts whose token count is known by construction, stop strings, KV block names, templates."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.replies.job import AnswerStyle, GenerationParams, draw_length, make_answer
from simulator.text.prompt import BLOCK, END, chat_prompt, prefix_hashes
from simulator.text.tokens import EOS, SampleText, count_tokens, make_token, token_texts

STORY = SampleText(3)
UNICODE_STORY = SampleText(3, unicode_share=0.4)


@given(length=st.integers(1, 9000), seed=st.integers(0, 50), spaced=st.booleans())
def test_a_reply_counts_as_many_tokens_as_it_was_made_of(length: int, seed: int, spaced: bool) -> None:
    for story in (STORY, UNICODE_STORY):
        tokens = story.take(random.Random(seed), length, leading_space=spaced)
        assert len(tokens) == length
        text = "".join(token.text for token in tokens)
        halves = sum(token.half for token in tokens[-1:])  # a character cut at the end shows nothing
        assert count_tokens(text) == length - halves


@given(st.text(max_size=40))
def test_json_forms_are_the_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    token = make_token(text, 1, -0.5)
    assert json.loads(b'"' + token.json + b'"') == text
    assert json.loads(b'"' + token.ascii_json + b'"') == text
    assert token.ascii_json.isascii()


@pytest.mark.parametrize("style", ["hold-fixed", "hold-match", "cut-late", "keep"])
@given(seed=st.integers(0, 200), stop=st.sampled_from([".", "the ", " river", ", ", "zzz"]))
def test_stop_strings_end_the_answer(style: str, seed: int, stop: str) -> None:
    ask = GenerationParams("chat", "", "m", max_tokens=300, stops=(stop,))
    answer = make_answer(STORY, random.Random(seed), ask, 200, AnswerStyle(style, False, EOS))
    text = answer.text()
    assert len(answer.shown) == len(answer.tokens)
    whole = "".join(token.text for token in answer.tokens)
    if answer.stop is None:
        assert stop not in whole and text == whole
    elif style == "keep":
        assert text == whole and stop in text
    elif style != "cut-late":
        assert text == whole[: whole.index(stop)]


def test_a_grown_conversation_begins_with_the_old_one_and_its_answer() -> None:
    answer = "There was a river. It moved"
    first = chat_prompt([("user", "tell me " * 30)], (5, 4))
    grown = chat_prompt([("user", "tell me " * 30), ("assistant", answer), ("user", "more")], (5, 4))
    known = prefix_hashes(first, [*token_texts(answer), END])
    assert len(known) == (len(first) + len(token_texts(answer)) + 1) // BLOCK
    assert prefix_hashes(grown, [])[: len(known)] == known


def test_lengths_have_the_wanted_mean_and_spread() -> None:
    rng = random.Random(1)
    lengths = [draw_length(rng, 100, 60) for _ in range(5000)]
    mean = sum(lengths) / len(lengths)
    assert 95 < mean < 105
    assert 50 < (sum((each - mean) ** 2 for each in lengths) / len(lengths)) ** 0.5 < 70
    assert {draw_length(rng, 7, 0) for _ in range(5)} == {7}
