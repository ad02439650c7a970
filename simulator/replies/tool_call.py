"""A call of a tool in place of an answer: which tool, and arguments made up of its JSON schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.text.tokens import Token, make_token, token_texts

MADE_UP: Mapping[object, object] = {
    "integer": 7,
    "number": 0.5,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}
"""A value of each type of JSON schema; "harbor" of all others."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The tool that a reply calls, and its arguments as JSON."""

    name: str
    arguments: str

    def tokens(self) -> list[Token]:
        """The arguments, token by token; together they are the JSON without a change."""
        pieces: list[str] = []
        rest = self.arguments
        for text in token_texts(self.arguments):
            before, _, rest = rest.partition(text)
            pieces.append(before + text)
        if pieces:
            pieces[-1] += rest
        return [make_token(piece, 1000 + place, -0.0625) for place, piece in enumerate(pieces)]


def called_tool(body: Mapping[str, object]) -> ToolCall | None:
    """The first of the request's tools; None without tools, and where the last message is a tool's result, unless the
    request asks for a call."""
    messages, tools = body.get("messages"), body.get("tools")
    last = messages[-1] if isinstance(messages, list) and messages else None
    choice = body.get("tool_choice")
    if not isinstance(last, Mapping) or choice == "none":
        return None
    if last.get("role") == "tool" and choice != "required":
        return None
    first = tools[0] if isinstance(tools, list) and tools else None
    function = first.get("function") if isinstance(first, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return None
    schema = function.get("parameters")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    values = (
        {name: _made_up(one) for name, one in properties.items()} if isinstance(properties, Mapping) else {}
    )
    return ToolCall(str(function["name"]), json.dumps(values))


def _made_up(schema: object) -> object:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return MADE_UP.get(kind, "harbor") if isinstance(kind, str) else "harbor"
