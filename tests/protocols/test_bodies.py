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


def test_an_end_token_that_came_as_text_is_not_sent_twice() -> None:
    talk = (Message("user", "Hello"), Message("assistant", "Hi!</s>"), Message("user", "Where?"))
    assert prompt_text(talk) == "[INST] Hello [/INST] Hi! </s><s>[INST] Where? [/INST]"


def test_a_single_message_stays_as_it_is() -> None:
    assert prompt_text((Message("user", " two  blanks\n"),)) == " two  blanks\n"


@pytest.mark.parametrize("server", SERVERS)
def test_every_server_name_has_its_dialect(server: str) -> None:
    assert SERVERS[server] in DIALECTS


@pytest.mark.parametrize("name", ["openai", "openai-completions", "tgi", "vllm-generate"])
def test_only_tgi_sends_one_token_an_event(name: str) -> None:
    assert DIALECTS[name].one_token_per_event is (name == "tgi")


SAYS = {"max_tokens": 9, "temperature": 0.5}


def test_a_conversation_for_responses() -> None:
    assert json.loads(_body("openai-responses", messages=TALK, **SAYS)) == {
        "model": "llama-2",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "Hello"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi!"}]},
            {"role": "user", "content": "Where is 北京?"},
        ],
        "temperature": 0.5,
        "stream": True,
        "store": False,
        "max_output_tokens": 9,
    }


def test_a_conversation_for_messages() -> None:
    assert json.loads(_body("anthropic", messages=TALK, **SAYS)) == {
        "model": "llama-2",
        "max_tokens": 9,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "Where is 北京?"},
        ],
        "temperature": 0.5,
        "stream": True,
    }


def test_a_conversation_for_ollama_and_where_further_fields_go() -> None:
    extra = {"think": False, "options": {"num_ctx": 8192}, "top_k": 5, "max_tokens": 7}
    body = json.loads(_body("ollama-native", messages=TALK, **SAYS, extra=extra))
    assert [message["role"] for message in body.pop("messages")] == ["system", "user", "assistant", "user"]
    assert body == {
        "model": "llama-2",
        "stream": True,
        "think": False,
        "options": {"num_predict": 7, "temperature": 0.5, "num_ctx": 8192, "top_k": 5},
    }


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
URL = "data:image/png;base64,iVBORw0="
PICTURE = [{"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": "What is it?"}]
WITH_TOOLS = (
    Message("user", "What is it?", {"content": PICTURE}),
    Message("assistant", "", {"content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]}),
    Message("tool", "Rain.", {"tool_call_id": "c1"}),
    Message("tool", "Sun.", {"tool_call_id": "c2"}),
)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "Tells it", "parameters": SCHEMA}
NAMED = {"type": "function", "function": {"name": "weather"}}
TOOLS = {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": NAMED}


def test_tools_and_images_in_the_form_of_responses() -> None:
    body = json.loads(_body("openai-responses", messages=WITH_TOOLS, extra=TOOLS))
    called = {"type": "function_call", "name": "weather", "arguments": '{"city":"Rome"}'}
    assert body["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": URL},
                {"type": "input_text", "text": "What is it?"},
            ],
        },
        {**called, "call_id": "c1"},
        {**called, "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "Rain."},
        {"type": "function_call_output", "call_id": "c2", "output": "Sun."},
    ]
    assert (body["tools"], body["tool_choice"]) == (
        [{"type": "function", **FUNCTION}],
        {"type": "function", "name": "weather"},
    )


def test_tools_and_images_in_the_form_of_messages() -> None:
    body = json.loads(_body("anthropic", messages=WITH_TOOLS, extra=TOOLS))
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
    used = {"type": "tool_use", "name": "weather", "input": {"city": "Rome"}}
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}],
        },
        {"role": "assistant", "content": [{**used, "id": "c1"}, {**used, "id": "c2"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "Rain."},
                {"type": "tool_result", "tool_use_id": "c2", "content": "Sun."},
            ],
        },
    ]
    assert body["tools"] == [{"name": "weather", "description": "Tells it", "input_schema": SCHEMA}]
    assert body["tool_choice"] == {"type": "tool", "name": "weather"}
    for word, theirs in (("auto", "auto"), ("required", "any"), ("none", "none")):
        body = json.loads(_body("anthropic", extra={**TOOLS, "tool_choice": word}))
        assert body["tool_choice"] == {"type": theirs}


def test_tools_and_images_in_ollama_s_form() -> None:
    body = json.loads(_body("ollama-native", messages=WITH_TOOLS, extra=TOOLS))
    call = {"function": {"name": "weather", "arguments": {"city": "Rome"}}}
    assert body["messages"] == [
        {"role": "user", "content": "What is it?", "images": ["iVBORw0="]},
        {"role": "assistant", "content": "", "tool_calls": [call, call]},
        {"role": "tool", "content": "Rain.", "tool_name": "weather"},
        {"role": "tool", "content": "Sun.", "tool_name": "weather"},
    ]
    assert body["tools"] == TOOLS["tools"]


@pytest.mark.parametrize("dialect", ["openai-responses", "anthropic", "ollama-native"])
def test_what_is_in_a_form_of_its_own_is_sent_as_it_is(dialect: str) -> None:
    own = {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}
    body = json.loads(_body(dialect, extra=own))
    assert body["tools"] == own["tools"]
    broken = {**CALL, "function": {"name": "weather", "arguments": "{broken"}}
    for more in (
        {"tool_calls": [broken]},
        {"tool_calls": None},
        {"content": 7},
        {"content": [None, {"type": "x"}]},
    ):
        assert _body(dialect, messages=(Message("assistant", "", more),))


@pytest.mark.parametrize(
    ("dialect", "body", "found"),
    [
        ("openai-responses", {"input": "Hi", "instructions": "Be brief.", "max_output_tokens": 5, "stream": True},
         ("Hi", 5, "Be brief.", {})),
        ("openai-responses", {"input": [{"role": "user", "content": "Hi"}], "max_output_tokens": 5, "stream": True},
         ("Hi", 5, "", {})),
        ("openai-responses", {"input": [{"role": "user", "content": "A"}, {"role": "user", "content": "B"}]},
         ("B", None, "", {"input": [{"role": "user", "content": "A"}, {"role": "user", "content": "B"}]})),
        ("anthropic", {"messages": [{"role": "user", "content": "Hi"}], "system": "Be brief.", "max_tokens": 5},
         ("Hi", 5, "Be brief.", {})),
        ("anthropic", {"messages": [{"role": "user", "content": "Hi"}], "thinking": {"type": "disabled"}},
         ("Hi", None, "", {"thinking": {"type": "disabled"}})),
        ("ollama-native", {"messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 5, "seed": 1}},
         ("Hi", 5, "", {"options": {"seed": 1}})),
    ],
)  # fmt: skip
def test_the_body_of_another_tool(dialect: str, body: dict[str, Any], found: tuple[Any, ...]) -> None:
    read = DIALECTS[dialect].read_body(body)
    assert read is not None
    assert (read.prompt, read.max_tokens, read.system, read.extra) == found
    assert read.streams is (dialect == "ollama-native" or body.get("stream", False))
