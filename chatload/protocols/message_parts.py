"""Reads the parts, images and tool calls of a message from OpenAI's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from chatload.model.turn import Message, ToolCall


def parts_of(message: Message) -> list[Mapping[str, Any]]:
    """The parts of a message; a plain text is one part. Any: the user's own JSON."""
    content = message.more.get("content", message.content)
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def image_url(part: Mapping[str, Any]) -> str:
    """The URL of an image part; empty for any other part."""
    image = part.get("image_url")
    found = image.get("url") if isinstance(image, Mapping) else image
    return found if isinstance(found, str) else ""


def inline_data(url: str) -> tuple[str, str]:
    """(media type, base64 data) of a `data:` URL; ("", "") for any other URL."""
    head, comma, data = url.partition(";base64,")
    return (head.removeprefix("data:"), data) if comma and head.startswith("data:") else ("", "")


def calls_of(message: Message) -> list[ToolCall]:
    """The tool calls in a message of the model."""
    calls = message.more.get("tool_calls")
    found = []
    for call in calls if isinstance(calls, list | tuple) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            arguments = str(function.get("arguments") or "")
            found.append(ToolCall(str(call.get("id", "")), str(function.get("name", "")), arguments))
    return found


def arguments_of(call: ToolCall) -> Mapping[str, Any]:
    """The arguments as an object. Models also write other values, which are returned under the key `arguments`."""
    try:
        found = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        found = call.arguments
    return found if isinstance(found, dict) else {"arguments": found}


def functions_of(tools: object) -> list[Mapping[str, Any]] | None:
    """The functions in `tools` of OpenAI's form; None if any tool has another form: `tools` is then sent unchanged."""
    if not isinstance(tools, Iterable) or isinstance(tools, str | Mapping):
        return None
    found = [tool.get("function") if isinstance(tool, Mapping) else None for tool in tools]
    functions = [one for one in found if isinstance(one, Mapping)]
    return functions if len(functions) == len(found) else None


def named_choice(choice: object) -> str:
    """The function name in a `tool_choice` of one function; empty for any other choice."""
    function = choice.get("function") if isinstance(choice, Mapping) else None
    return str(function.get("name", "")) if isinstance(function, Mapping) else ""
