"""Dialect `ollama-native`: POST /api/chat of Ollama.

Each event is one line of JSON; the last one has `done`, the counts and the reason. An error before the first line has
an HTTP status, a later one is a line `{"error": "…"}` of a 200 reply. The server silently cuts a prompt that is longer
than `num_ctx`. Form of 0.3 to 0.40, from the source: api/types.go and server/routes.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

from chatload.model.errors import TurnError, WireError
from chatload.model.turn import Delta, Message, ToolCall, TurnRequest, Usage
from chatload.protocols.dialect import Dialect, ForeignBody
from chatload.protocols.dialects.openai import read_chat
from chatload.protocols.event_data import count, loaded, text_field
from chatload.protocols.json_lines import json_lines
from chatload.protocols.message_parts import arguments_of, calls_of, image_url, inline_data, parts_of

_FIELDS = frozenset(
    (
        "model",
        "messages",
        "stream",
        "format",
        "keep_alive",
        "tools",
        "options",
        "think",
        "truncate",
        "shift",
        "logprobs",
        "top_logprobs",
    )
)
"""Fields of a request; all others are options of the model."""
_OPTIONS = {"max_tokens": "num_predict"}
"""OpenAI's names of options, and Ollama's."""


def body(request: TurnRequest) -> bytes:
    """The JSON body of POST /api/chat. Fields of `extra` that are not in _FIELDS go into `options`."""
    options: dict[str, object] = {}
    if request.max_tokens is not None:
        options["num_predict"] = request.max_tokens
    if request.temperature is not None:
        options["temperature"] = request.temperature
    top: dict[str, object] = {"model": request.model} if request.model else {}
    top["messages"] = _messages(request.messages)
    top["stream"] = True
    for key, value in request.extra.items():
        if key == "options" and isinstance(value, Mapping):
            options |= value
        elif key in _FIELDS:
            top[key] = value
        else:
            options[_OPTIONS.get(key, key)] = value
    if options:
        top["options"] = options
    return orjson.dumps(top)


def _messages(messages: Sequence[Message]) -> list[dict[str, object]]:
    """The messages with images as base64; a tool result gets the tool's name, found by the id of its call."""
    names: dict[object, str] = {}
    found: list[dict[str, object]] = []
    for message in messages:
        made: dict[str, object] = {"role": message.role, "content": message.content}
        if message.more:
            images = [inline_data(url)[1] or url for part in parts_of(message) if (url := image_url(part))]
            calls = calls_of(message)
            names |= {call.id: call.name for call in calls}
            if images:
                made["images"] = images
            if calls:
                functions = [{"name": call.name, "arguments": arguments_of(call)} for call in calls]
                made["tool_calls"] = [{"function": function} for function in functions]
            if message.role == "tool" and (name := names.get(message.more.get("tool_call_id"))):
                made["tool_name"] = name
        found.append(made)
    return found


def tool_calls(reply: Iterable[bytes]) -> tuple[ToolCall, ...]:
    """The tool calls in a reply. Reading stops at a broken line: such a turn has failed anyway."""
    found: list[ToolCall] = []
    try:
        for _, line in json_lines(reply):
            message = loaded(line).get("message")
            calls = message.get("tool_calls") if isinstance(message, dict) else None
            for call in calls if isinstance(calls, list) else ():
                function = call.get("function") if isinstance(call, dict) else None
                if isinstance(function, dict):
                    arguments = orjson.dumps(function.get("arguments") or {}).decode()
                    call_id = str(call.get("id") or f"call_{len(found)}")  # older versions send none
                    found.append(ToolCall(call_id, text_field(function, "name", line), arguments))
    except TurnError:
        pass
    return tuple(found)


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta]:
    """One delta per line. A tool call comes whole; the finish reason of a reply with one is "tool_calls"."""
    called = False
    for read, line in json_lines(reads):
        event = loaded(line)
        message = event.get("message")
        text = reasoning = calls = ""
        if isinstance(message, dict):
            text, reasoning = text_field(message, "content", line), text_field(message, "thinking", line)
            calls = _calls(message.get("tool_calls"), line)
            called = called or bool(calls)
        elif not event.get("done"):
            raise WireError("a line with neither message nor done", line)
        finish: str | None = None
        usage: Usage | None = None
        if event.get("done"):
            finish = str(event.get("done_reason") or "end")
            finish = "tool_calls" if called and finish == "stop" else finish
            made, prompt = count(event.get("eval_count")), count(event.get("prompt_eval_count"))
            usage = Usage(made, prompt) if made is not None or prompt is not None else None
        logprobs = event.get("logprobs")
        tokens = len(logprobs) if isinstance(logprobs, list) else None
        yield Delta(read, text, reasoning, calls, tokens, finish, usage)


def read_body(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `messages`; `options` may hold length and temperature. It asks for a stream by default."""
    flat = {"stream": True, **body}
    options = flat.pop("options", None)
    options = dict(options) if isinstance(options, dict) else {}
    for ours, theirs in (("max_tokens", "num_predict"), ("temperature", "temperature")):
        if theirs in options:
            flat[ours] = options.pop(theirs)
    found = read_chat(flat)
    if found is not None:
        found.notes = [note for note in found.notes if "stream_options" not in note]
        if options:
            found.extra["options"] = options
    return found


def _calls(value: object, line: bytes) -> str:
    """Names and arguments of tool calls, as text."""
    found = ""
    for call in value if isinstance(value, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            arguments = function.get("arguments")
            found += text_field(function, "name", line)
            found += orjson.dumps(arguments).decode() if arguments else ""
    return found


# There is no ignore_eos: num_predict is a limit, not the length.
DIALECTS = (
    Dialect(
        "ollama-native",
        "/api/chat",
        body,
        deltas,
        prompt_key="messages",
        read_body=read_body,
        takes_more=True,
        tool_calls=tool_calls,
        thinking={
            "switch": lambda on: {"think": on},
            "effort": lambda effort: {"think": False if effort == "none" else effort},
        },
    ),
)
