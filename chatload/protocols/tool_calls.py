"""Assembles the tool calls of a reply from their pieces in many events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chatload.model.errors import TurnError
from chatload.model.turn import ToolCall
from chatload.protocols.event_data import loaded
from chatload.protocols.framing import sse_events


@dataclass(slots=True)
class _Parts:
    """A call as far as received."""

    id: str = ""
    name: str = ""
    arguments: str = ""


def tool_calls_of(body: Iterable[bytes]) -> tuple[ToolCall, ...]:
    """The calls of the first choice in an event stream of POST /v1/chat/completions, in the order they began.

    A piece belongs to the call with its `index`, else with its id, else to the last call. Reading stops at a broken
    event: such a turn has failed anyway.
    """
    calls: dict[object, _Parts] = {}
    last: object = None
    for piece in _pieces(body):
        key = piece.get("index", piece.get("id") or last)
        last = key if isinstance(key, int | str) else last
        call = calls.setdefault(last, _Parts())
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        call.id = call.id or _text(piece.get("id"))
        call.name += _text(function.get("name"))
        call.arguments += _text(function.get("arguments"))
    return tuple(ToolCall(one.id, one.name, one.arguments) for one in calls.values())


def _pieces(body: Iterable[bytes]) -> Iterator[dict[str, object]]:
    try:
        for event in sse_events(body):
            if event.data.strip() in ("", "[DONE]"):
                continue
            choices = loaded(event.data).get("choices")
            first = choices[0] if isinstance(choices, list) and choices else {}
            message = (first.get("delta") or first.get("message")) if isinstance(first, dict) else {}
            pieces = message.get("tool_calls") if isinstance(message, dict) else []
            yield from (piece for piece in pieces or [] if isinstance(piece, dict))
    except TurnError:
        return


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
