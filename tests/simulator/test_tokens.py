"""Texts whose token count is known by construction, stop strings, KV block names, templates."""

from __future__ import annotations

import base64
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.replies.job import Answer, AnswerStyle, GenerationParams, Job, draw_length, make_answer
from simulator.replies.sse_encoder import SseEncoder
from simulator.servers.openai_body import chat_params
from simulator.servers.vllm.wire import VLLM_0_33
from simulator.text.image import UNKNOWN_TOKENS, image_texts
from simulator.text.prompt import END, chat_prompt, prefix_hashes
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
    asked = ("user", token_texts("tell me " * 30))
    first = chat_prompt([asked], (5, 4))
    grown = chat_prompt([asked, ("assistant", token_texts(answer)), ("user", ["more"])], (5, 4))
    known = prefix_hashes([*first, *token_texts(answer), END], 16)
    assert len(known) == (len(first) + len(token_texts(answer)) + 1) // 16
    assert prefix_hashes(grown, 16)[: len(known)] == known


def test_lengths_have_the_wanted_mean_and_spread() -> None:
    rng = random.Random(1)
    lengths = [draw_length(rng, 100, 60) for _ in range(5000)]
    mean = sum(lengths) / len(lengths)
    assert 95 < mean < 105
    assert 50 < (sum((each - mean) ** 2 for each in lengths) / len(lengths)) ** 0.5 < 70
    assert {draw_length(rng, 7, 0) for _ in range(5)} == {7}


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4)
    return "data:image/png;base64," + base64.b64encode(head).decode()


def jpeg(width: int, height: int) -> str:
    app0 = b"\xff\xe0\0\4ab"
    head = b"\xff\xd8" + app0 + b"\xff\xc0\0\x11\x08" + height.to_bytes(2) + width.to_bytes(2)
    return "data:image/jpeg;base64," + base64.b64encode(head).decode()


@pytest.mark.parametrize(
    ("url", "tokens"),
    [
        (png(28, 28), 1),
        (png(29, 28), 2),
        (png(1024, 768), 37 * 28),
        (jpeg(280, 56), 20),
        ("http://pictures/one.png", UNKNOWN_TOKENS),
        ("data:image/png;base64,%%%", UNKNOWN_TOKENS),
        ("data:image/jpeg;base64,/9j/4AAC", UNKNOWN_TOKENS),
    ],
)
def test_an_image_takes_a_token_for_each_square_of_28_pixels(url: str, tokens: int) -> None:
    assert len(image_texts(url)) == tokens


def test_images_and_calls_count_as_tokens_of_the_prompt() -> None:
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": png(56, 28)}}]
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    said = [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    params = chat_params({"messages": said}, (0, 0), 0)
    assert (params.images, params.image_tokens) == (1, 2)
    assert params.prompt_tokens == (1 + 2 + 1) + (len(token_texts('look {"at": 1}')) + 1)


def test_reasoning_comes_before_the_answer_in_events_of_its_own() -> None:
    tokens = [make_token(f" w{k}", 300 + k, 0.0) for k in range(5)]
    answer = Answer(tokens, tokens, None, ends=False)
    answer.reasoning = 3
    params = GenerationParams("chat", "", "m", stream=True)
    job = Job(params, answer, "id", 0)
    constants = dict.fromkeys(("id", "created", "model", "fingerprint", "prompt_ids"), "1")
    stream = VLLM_0_33.streams["chat"]
    values = {"stop_reason": b"null", "fp": b""}
    encoder = SseEncoder(stream, job, constants, lambda finish, count: values)
    parts = [encoder.encode(0, 2, None), encoder.encode(2, 2, None), encoder.encode(4, 1, "length")]
    text = b"".join(data for data, _ in parts).decode()
    assert re.findall(r'"(reasoning|content)":"( [^"]*)"', text) == [
        ("reasoning", " w0 w1"),
        ("reasoning", " w2"),
        ("content", " w3"),
        ("content", " w4"),
    ]
    assert [n for _, marks in parts for n, kind in marks if kind == "token"] == [2, 1, 1, 1]
    assert (answer.text(), answer.thoughts(), answer.thoughts(2)) == (" w3 w4", " w0 w1 w2", " w0 w1")


@pytest.mark.parametrize(
    ("asked", "thinks", "budget"),
    [
        ({}, True, None),
        ({"reasoning_effort": "none"}, False, None),
        ({"reasoning_effort": "high"}, True, None),
        ({"chat_template_kwargs": {"enable_thinking": False}}, False, None),
        ({"thinking_token_budget": 7}, True, 7),
        ({"thinking_budget_tokens": 0}, True, 0),
    ],
)
def test_a_request_says_how_much_is_reasoned(
    asked: dict[str, object], thinks: bool, budget: int | None
) -> None:
    params = chat_params({"messages": [{"role": "user", "content": "hi"}], **asked}, (0, 0), 0)
    assert (params.thinks, params.thinking_budget) == (thinks, budget)
