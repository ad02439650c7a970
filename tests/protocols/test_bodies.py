"""What each dialect writes down for a turn, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatload.model.turn import Message, TurnRequest
from chatload.protocols.prompt_text import prompt_text
from chatload.protocols.registry import DIALECTS, SERVERS

SEED = TurnRequest(
    messages=(Message("user", "Once a upon time,"),), model="llama-2", max_tokens=2000, temperature=0.6
)
TALK = (
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Hi!"),
    Message("user", "Where is 北京?"),
)


def _body(dialect: str, **changes: Any) -> bytes:
    keep = {"messages": SEED.messages, "model": "llama-2", "max_tokens": 2000, "temperature": 0.6}
    return DIALECTS[dialect].body(TurnRequest(**{**keep, **changes}))


def test_the_article_s_body() -> None:
    assert _body("openai", ask_usage=False) == (
        b'{"messages":[{"role":"user","content":"Once a upon time,"}],"model":"llama-2","temperature":0.6,'
        b'"stream":true,"max_tokens":2000}'
    )


def test_usage_is_asked_for_and_extra_wins() -> None:
    body = json.loads(_body("openai", extra={"ignore_eos": True, "max_tokens": 7}))
    assert body["stream_options"] == {"include_usage": True}
    assert (body["ignore_eos"], body["max_tokens"]) == (True, 7)


def test_what_is_not_known_is_left_out() -> None:
    request = TurnRequest(messages=SEED.messages, ask_usage=False)
    chat = b'{"messages":[{"role":"user","content":"Once a upon time,"}],"stream":true}'
    assert DIALECTS["openai"].body(request) == chat
    assert DIALECTS["openai-completions"].body(request) == b'{"prompt":"Once a upon time,","stream":true}'
    assert DIALECTS["tgi"].body(request) == b'{"inputs":"Once a upon time,","parameters":{"details":true}}'
    assert DIALECTS["vllm-generate"].body(request) == b'{"prompt":"Once a upon time,","stream":true}'


def test_tgi_samples_only_above_zero() -> None:
    assert json.loads(_body("tgi"))["parameters"] == {
        "max_new_tokens": 2000,
        "temperature": 0.6,
        "do_sample": True,
        "details": True,
    }
    for cold in (0, 0.0, None):
        assert json.loads(_body("tgi", temperature=cold))["parameters"] == {
            "max_new_tokens": 2000,
            "details": True,
        }


def test_tgi_extra_goes_into_parameters() -> None:
    extra = {"parameters": {"top_k": 5, "top_p": 1.0}, "seed": 3, "inputs": "Other", "temperature": 0}
    body = json.loads(_body("tgi", extra=extra))
    assert body["inputs"] == "Other"
    assert body["parameters"] == {
        "max_new_tokens": 2000,
        "do_sample": True,
        "details": True,
        "top_k": 5,
        "seed": 3,
    }


def test_vllm_generate_sends_sampling_parameters_only() -> None:
    body = json.loads(_body("vllm-generate", extra={"ignore_eos": True}))
    assert body == {
        "prompt": "Once a upon time,",
        "stream": True,
        "max_tokens": 2000,
        "temperature": 0.6,
        "ignore_eos": True,
    }


def test_a_conversation_becomes_llama_2_s_chat_form() -> None:
    assert prompt_text(TALK) == (
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST] Hi! </s><s>[INST] Where is 北京? [/INST]"
    )
    assert prompt_text(TALK[1:2]) == "Hello"


def test_a_single_message_stays_as_it_is() -> None:
    assert prompt_text((Message("user", " two  blanks\n"),)) == " two  blanks\n"


@pytest.mark.parametrize("server", SERVERS)
def test_every_server_name_has_its_dialect(server: str) -> None:
    assert SERVERS[server] in DIALECTS


@pytest.mark.parametrize("name", ["openai", "openai-completions", "tgi", "vllm-generate"])
def test_only_tgi_sends_one_token_an_event(name: str) -> None:
    assert DIALECTS[name].one_token_per_event is (name == "tgi")
