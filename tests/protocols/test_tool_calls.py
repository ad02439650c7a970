"""Tool calls put together from their pieces, in the forms that servers send them in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatload.model.turn import ToolCall
from chatload.protocols.tool_calls import tool_calls_of


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
