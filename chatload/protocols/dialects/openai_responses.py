"""Dialect `openai-responses`: POST /v1/responses of OpenAI's Responses API.

Also served by vLLM (since 0.10), llama.cpp, SGLang, lmdeploy, Ollama and transformers serve. Each event has its name in
`event:` and in `type`. Text comes in deltas, then is repeated whole in `….done` events, in the item and in the last
event, `response.completed`, `.incomplete` or `.failed`, which has the usage. Servers differ in which of these they send
and in `item_id`, `output_index` and `sequence_number`, which are not used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import orjson

from chatload.model.errors import TurnError, WireError
from chatload.model.turn import Delta, Message, ToolCall, TurnRequest, Usage
from chatload.protocols.dialect import Dialect, ForeignBody, NoPromptError
from chatload.protocols.dialects.openai import EXACT, read_chat
from chatload.protocols.event_data import OPENAI_CHAT, text_field, typed
from chatload.protocols.foreign_body import foreign_body
from chatload.protocols.framing import sse_events
from chatload.protocols.message_parts import calls_of, functions_of, image_url, named_choice, parts_of
from chatload.protocols.server_errors import server_error
from chatload.protocols.usage_fields import usage_of

TEXT, REASONING, CALL = range(3)
_PIECES = {
    "response.output_text.delta": TEXT,
    "response.refusal.delta": TEXT,  # the user reads it
    "response.reasoning_text.delta": REASONING,
    "response.reasoning_summary_text.delta": REASONING,
    "response.reasoning.delta": REASONING,
    "response.reasoning_summary.delta": REASONING,
    "response.function_call_arguments.delta": CALL,
    "response.custom_tool_call_input.delta": CALL,
    "response.mcp_call_arguments.delta": CALL,
}
"""Events with new text under `delta`."""
_WHOLES = {
    "response.output_text.done": (TEXT, "text"),
    "response.refusal.done": (TEXT, "refusal"),
    "response.reasoning_text.done": (REASONING, "text"),
    "response.reasoning_summary_text.done": (REASONING, "text"),
    "response.reasoning.done": (REASONING, "text"),
    "response.reasoning_summary.done": (REASONING, "text"),
    "response.function_call_arguments.done": (CALL, "arguments"),
    "response.custom_tool_call_input.done": (CALL, "input"),
    "response.mcp_call_arguments.done": (CALL, "arguments"),
}
"""Events that repeat a whole part, and the key of its text."""
_ENDS = (
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
)
_TYPES = frozenset(
    (
        *_PIECES,
        *_WHOLES,
        *_ENDS,
        "response.created",
        "response.in_progress",
        "response.queued",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.reasoning_part.added",
        "response.reasoning_part.done",
    )
)
_LIMITS = ("max_output_tokens", "max_tokens")
"""Reasons of an incomplete response that mean "length"."""
_CALLS = ("function_call", "custom_tool_call", "mcp_call")
"""Types of items that call a tool."""


def body(request: TurnRequest) -> bytes:
    """The JSON body of POST /v1/responses. `store` is false: the history is sent with each turn."""
    messages = request.messages
    top: dict[str, object] = {"model": request.model} if request.model else {}
    if messages and messages[0].role == "system":
        top["instructions"] = messages[0].content
        messages = messages[1:]
    top["input"] = [item for message in messages for item in _items(message)]
    if request.temperature is not None:
        top["temperature"] = request.temperature
    top["stream"] = True
    top["store"] = False
    if request.max_tokens is not None:
        top["max_output_tokens"] = request.max_tokens
    return orjson.dumps({**top, **_tools(request.extra)})


def _items(message: Message) -> list[dict[str, object]]:
    """A message as items. Those of the model have the full form of output items: llama.cpp accepts no shorter one."""
    if message.role == "tool":
        call_id = message.more.get("tool_call_id", "")
        return [{"type": "function_call_output", "call_id": call_id, "output": message.content}]
    if message.role == "assistant":
        text = [{"type": "output_text", "text": message.content}]
        answer: dict[str, object] = {"type": "message", "role": "assistant", "content": text}
        calls: list[dict[str, object]] = [
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
            for call in calls_of(message)
        ]
        return [answer, *calls] if message.content else calls
    content: object = [_part(part) for part in parts_of(message)] if message.more else message.content
    return [{"role": message.role, "content": content}]


def _part(part: Mapping[str, object]) -> dict[str, object]:
    """An image or text part, converted; any other part is sent as it is."""
    url = image_url(part)
    if url:
        return {"type": "input_image", "image_url": url}
    return {**part, "type": "input_text"} if part.get("type") == "text" else dict(part)


def _tools(extra: Mapping[str, object]) -> dict[str, object]:
    """The further fields of a body, with tools converted from the form of Chat Completions."""
    fields = {**extra}
    functions = functions_of(extra.get("tools"))
    if functions is not None:
        fields["tools"] = [{"type": "function", **one} for one in functions]
    name = named_choice(extra.get("tool_choice"))
    if name:
        fields["tool_choice"] = {"type": "function", "name": name}
    return fields


def tool_calls(reply: Iterable[bytes]) -> tuple[ToolCall, ...]:
    """The tool calls in a reply. Reading stops at a broken event: such a turn has failed anyway."""
    calls: dict[object, ToolCall] = {}
    try:
        for _, data in sse_events(reply):
            event = typed(data, _TYPES)
            response = event.get("response")
            items = _list(response.get("output")) if isinstance(response, dict) else [event.get("item")]
            for item in items:
                if isinstance(item, dict) and item.get("type") == "function_call":
                    name, arguments = text_field(item, "name", data), text_field(item, "arguments", data)
                    call_id = str(item.get("call_id") or item.get("id") or "")
                    calls[call_id] = ToolCall(call_id, name, arguments)
    except TurnError:
        pass
    return tuple(calls.values())


def deltas(reads: Iterable[bytes], request: TurnRequest) -> Iterator[Delta]:
    """One delta per event. Text that an earlier event had is left out of those that repeat it."""
    seen: tuple[list[str], ...] = ([], [], [])
    called = False
    for read, data in sse_events(reads):
        if data.strip() in ("[DONE]", ""):
            continue
        event = typed(data, _TYPES)
        kind = str(event.get("type"))
        what = _PIECES.get(kind)
        if what is not None:
            text = text_field(event, "delta", data)
            seen[what].append(text)
            yield _delta(read, what, text)
        elif kind in _WHOLES:
            what, key = _WHOLES[kind]
            yield _new_text(read, [(what, text_field(event, key, data))], seen)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            pieces = _of_item(event.get("item"), data)
            if kind.endswith(".added") and pieces and pieces[0][0] == CALL:
                called = True
                seen[CALL].append("")
                yield Delta(read, "", "", pieces[0][1])  # the name, which may be that of an earlier call
                seen[CALL].append(pieces.pop(0)[1])
                continue
            yield _new_text(read, pieces, seen)
        elif kind in _ENDS:
            response = event.get("response")
            response = response if isinstance(response, dict) else {}
            items = response.get("output")
            pieces = (
                [piece for item in items for piece in _of_item(item, data)] if isinstance(items, list) else []
            )
            called = called or any(what == CALL for what, _ in pieces)
            delta = _new_text(read, pieces, seen)
            error = response.get("error") or event.get("error")
            if error:
                raise server_error(error)
            usage = usage_of(response)
            finish = _finish(kind, response, called)
            yield delta._replace(finish="length" if _reached(finish, usage, request) else finish, usage=usage)
        elif "choices" in event:
            raise WireError(OPENAI_CHAT, data)
        else:
            response = event.get("response")
            name = response.get("id") if isinstance(response, dict) else None
            yield Delta(read, reply_id=name if isinstance(name, str) and name else None)


def _delta(read: int, what: int, text: str) -> Delta:
    if what == TEXT:
        return Delta(read, text)
    return Delta(read, "", text) if what == REASONING else Delta(read, "", "", text)


def _new_text(read: int, pieces: list[tuple[int, str]], seen: tuple[list[str], ...]) -> Delta:
    """The delta of the pieces without the text in `seen`, to which their new text is added."""
    new = {TEXT: "", REASONING: "", CALL: ""}
    for what, text in pieces:
        before = "".join(seen[what])
        if text and text not in before:
            text = text.removeprefix(before)
            seen[what].append(text)
            new[what] += text
    return Delta(read, new[TEXT], new[REASONING], new[CALL])


def _of_item(item: object, data: str) -> list[tuple[int, str]]:
    """The pieces of an output item: parts of a message, reasoning, or name and arguments of a tool call."""
    if not isinstance(item, dict):
        return []
    kind = item.get("type")
    if kind in _CALLS:
        keys = ("name", "arguments", "input")
        return [(CALL, text) for key in keys if (text := text_field(item, key, data))]
    found: list[tuple[int, str]] = []
    parts = [
        part for key in ("summary", "content") for part in _list(item.get(key)) if isinstance(part, dict)
    ]
    for part in parts:
        what = REASONING if kind == "reasoning" else TEXT
        found += [(what, text) for key in ("text", "refusal") if (text := text_field(part, key, data))]
    return found


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _finish(kind: str, response: Mapping[str, object], called: bool) -> str:
    """The finish reason in the words of Chat Completions."""
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if reason:
        return "length" if reason in _LIMITS else str(reason)
    status = str(response.get("status") or kind.rpartition(".")[2])
    if status != "completed":
        return status
    return "tool_calls" if called else "stop"


def _reached(finish: str, usage: Usage | None, request: TurnRequest) -> bool:
    """Whether a completed response reached its token limit, as llama.cpp also reports those as completed."""
    limit = request.extra.get("max_output_tokens", request.max_tokens)
    return finish == "stop" and usage is not None and usage.completion_tokens == limit and limit is not None


def read_body(body: Mapping[str, object]) -> ForeignBody | None:
    """A body with `input`: a text, or messages. A plain text under `instructions` is the system prompt."""
    given = body.get("input")
    rest = {key: value for key, value in body.items() if key != "input"}
    if isinstance(given, str):
        found = foreign_body(given, rest, length_key="max_output_tokens")
    elif isinstance(given, list):
        chat = read_chat({**rest, "messages": given})
        if chat is None or "max_tokens" in rest:
            raise NoPromptError("its input holds no message of role user")
        found = chat
        if "messages" in found.extra:
            found.extra = {"input": found.extra.pop("messages"), **found.extra}
        length = found.extra.get("max_output_tokens")
        if isinstance(length, int) and not isinstance(length, bool) and length > 0:
            found.max_tokens = length
            del found.extra["max_output_tokens"]
    else:
        return None
    found.notes = [note for note in found.notes if "stream_options" not in note]
    system = found.extra.get("instructions")
    if isinstance(system, str) and system.strip() == system != "" and "input" not in found.extra:
        found.system = system
        del found.extra["instructions"]
    return found


DIALECTS = (
    Dialect(
        "openai-responses",
        "/v1/responses",
        body,
        deltas,
        prompt_key="input",
        exact_length=EXACT,
        read_body=read_body,
        takes_more=True,
        tool_calls=tool_calls,
        thinking={"effort": lambda effort: {"reasoning": {"effort": effort}}},
    ),
)
