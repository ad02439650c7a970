"""Dialect `anthropic`: POST /v1/messages, Anthropic's Messages API.

Also served by vLLM (since 0.11.1), llama.cpp, SGLang, lmdeploy, Ollama (since 0.14) and LiteLLM. Each event has its
name in `event:` and in `type`. The blocks of a reply (text, thinking, tool calls) come one after the other; signatures
and encrypted thinking are no text. `message_delta` has the stop reason and the usage, `message_stop` is the end. Once
the stream has begun, an error is an event of a 200 reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

from chatload.model.errors import TurnError, WireError
from chatload.model.turn import Delta, Message, ToolCall, TurnRequest, Usage
from chatload.protocols.dialect import Dialect, ForeignBody
from chatload.protocols.dialects.openai import read_chat
from chatload.protocols.event_data import OPENAI_CHAT, count, text_field, typed
from chatload.protocols.framing import sse_events
from chatload.protocols.message_parts import (
    arguments_of,
    calls_of,
    functions_of,
    image_url,
    inline_data,
    named_choice,
    parts_of,
)
from chatload.protocols.thinking_fields import ThinkingForms

VERSION = {"anthropic-version": "2023-06-01"}
"""The header that every request needs; there is no other version."""
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Types of a delta, and the key of its text. Deltas of signatures and citations have no text."""
_TYPES = frozenset(
    (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
    )
)
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Stop reasons and OpenAI's words for them."""
_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")


def body(request: TurnRequest) -> bytes:
    """The JSON body of POST /v1/messages, with the system message outside of `messages`."""
    top: dict[str, object] = {"model": request.model} if request.model else {}
    if request.max_tokens is not None:
        top["max_tokens"] = request.max_tokens
    system = [m.content for m in request.messages if m.role == "system"]
    if system:
        top["system"] = "\n\n".join(system)
    top["messages"] = _messages(request.messages)
    if request.temperature is not None:
        top["temperature"] = request.temperature
    top["stream"] = True
    return orjson.dumps({**top, **_tools(request.extra)})


def _messages(messages: Sequence[Message]) -> list[dict[str, object]]:
    """All but the system message. Consecutive tool results become blocks of one user message."""
    found: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    for message in messages:
        if message.role == "tool":
            if not results:
                found.append({"role": "user", "content": results})
            call_id = message.more.get("tool_call_id", "")
            results.append({"type": "tool_result", "tool_use_id": call_id, "content": message.content})
            continue
        results = []
        if message.role != "system":
            found.append(
                {"role": message.role, "content": _blocks(message) if message.more else message.content}
            )
    return found


def _blocks(message: Message) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}
        for call in calls_of(message)
    ]
    return [*map(_block, parts_of(message)), *calls]


def _block(part: Mapping[str, object]) -> dict[str, object]:
    """An image part as a block; any other part is sent as it is."""
    url = image_url(part)
    if not url:
        return dict(part)
    media, data = inline_data(url)
    inline = {"type": "base64", "media_type": media, "data": data}
    return {"type": "image", "source": inline if data else {"type": "url", "url": url}}


def _tools(extra: Mapping[str, object]) -> dict[str, object]:
    """The further fields of a body, with tools converted from OpenAI's form."""
    fields = {**extra}
    functions = functions_of(extra.get("tools"))
    if functions is not None:
        fields["tools"] = [_tool(one) for one in functions]
    choice = extra.get("tool_choice")
    name = named_choice(choice)
    if name:
        fields["tool_choice"] = {"type": "tool", "name": name}
    elif isinstance(choice, str):
        fields["tool_choice"] = {"type": "any" if choice == "required" else choice}
    return fields


def _tool(function: Mapping[str, object]) -> dict[str, object]:
    fields = {key: function[key] for key in ("name", "description") if key in function}
    return {**fields, "input_schema": function.get("parameters", {"type": "object"})}


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta]:
    """One delta per event except pings. `message_delta` updates the counts of `message_start`."""
    counts: dict[str, int] = {}
    finish: str | None = None
    no_reason = False  # a stop reason of null: vLLM sends it when it gives up
    for read, data in sse_events(reads):
        if data.strip() in ("[DONE]", ""):
            continue
        event = typed(data, _TYPES)
        kind = event.get("type")
        if kind == "content_block_delta":
            yield _of_delta(event.get("delta"), read, data)
        elif kind == "content_block_start":
            yield _of_block(event.get("content_block"), read, data)
        elif kind == "message_start":
            message = event.get("message")
            message = message if isinstance(message, dict) else {}
            name = message.get("id")
            usage = _usage(message.get("usage"), counts)
            if usage is not None:  # its output count is only of the tokens so far
                usage = Usage(None, usage.prompt_tokens, usage.cached_tokens)
            yield Delta(read, usage=usage, reply_id=name if isinstance(name, str) and name else None)
        elif kind == "message_delta":
            delta = event.get("delta")
            reason = delta.get("stop_reason") if isinstance(delta, dict) else None
            finish = _FINISHES.get(str(reason), str(reason)) if reason else finish
            no_reason = not reason
            yield Delta(read, finish=finish if reason else None, usage=_usage(event.get("usage"), counts))
        elif kind == "message_stop":
            ended = finish is None and not no_reason
            yield Delta(read, finish="stop" if ended else None)
            finish = finish or ("stop" if ended else None)
        elif "choices" in event:
            raise WireError(OPENAI_CHAT, data)
        elif kind != "ping":
            yield Delta(read)


def tool_calls(reply: Iterable[bytes]) -> tuple[ToolCall, ...]:
    """The tool calls in a reply. Reading stops at a broken event: such a turn has failed anyway."""
    calls: list[list[str]] = []
    try:
        for _, data in sse_events(reply):
            event = typed(data, _TYPES)
            block, delta = event.get("content_block"), event.get("delta")
            if isinstance(block, dict) and block.get("type") == "tool_use":
                given = block.get("input")
                calls.append([str(block.get("id", "")), text_field(block, "name", data), _json(given)])
            elif isinstance(delta, dict) and delta.get("type") == "input_json_delta" and calls:
                calls[-1][2] += text_field(delta, "partial_json", data)
    except TurnError:
        pass
    return tuple(ToolCall(*call) for call in calls)


def _json(value: object) -> str:
    return orjson.dumps(value).decode() if value else ""


def _of_delta(delta: object, read: int, data: str) -> Delta:
    """The delta of a piece of a block."""
    kind = delta.get("type") if isinstance(delta, dict) else None
    key = _DELTAS.get(str(kind))
    if not isinstance(delta, dict) or key is None:
        return Delta(read)
    text = text_field(delta, key, data)
    if kind == "text_delta":
        return Delta(read, text)
    return Delta(read, "", text) if kind == "thinking_delta" else Delta(read, "", "", text)


def _of_block(block: object, read: int, data: str) -> Delta:
    """The delta of the start of a block: a tool's name, or all of a block that the server does not stream."""
    if not isinstance(block, dict):
        return Delta(read)
    kind = block.get("type")
    if kind == "text":
        return Delta(read, text_field(block, "text", data))
    if kind == "thinking":
        return Delta(read, "", text_field(block, "thinking", data))
    if kind in ("tool_use", "server_tool_use"):
        return Delta(read, "", "", text_field(block, "name", data) + _json(block.get("input")))
    return Delta(read)


def _usage(usage: object, counts: dict[str, int]) -> Usage | None:
    """Update `counts` from a usage and return them; `input_tokens` excludes tokens read from or written to a cache."""
    if not isinstance(usage, dict):
        return None
    counts.update({key: found for key in _COUNTS if (found := count(usage.get(key))) is not None})
    read, cached, written, made = (counts.get(key) for key in _COUNTS)
    prompt = None if read is None else read + (cached or 0) + (written or 0)
    return Usage(made, prompt, cached)


def read_body(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `messages`; a plain text under `system` is the system prompt."""
    found = read_chat(body)
    if found is not None:
        found.notes = [note for note in found.notes if "stream_options" not in note]
        system = found.extra.get("system")
        if isinstance(system, str) and system.strip() == system != "" and "messages" not in found.extra:
            found.system = system
            del found.extra["system"]
    return found


# There is no ignore_eos: max_tokens is a limit, not the length.
THINKING: ThinkingForms = {
    "switch": lambda on: {"thinking": {"type": "adaptive" if on else "disabled"}},
    "budget": lambda tokens: {"thinking": {"type": "enabled", "budget_tokens": tokens}},
}
DIALECTS = (
    Dialect(
        "anthropic",
        "/v1/messages",
        body,
        deltas,
        prompt_key="messages",
        read_body=read_body,
        headers=VERSION,
        needs_max_tokens=True,
        takes_more=True,
        tool_calls=tool_calls,
        thinking=THINKING,
    ),
)
