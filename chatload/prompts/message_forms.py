"""Messages with images, tool calls or their results, in the form of OpenAI's Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chatload.model.turn import Message, ToolCall


def message_of(raw: Mapping[str, Any]) -> Message:
    """A message from JSON. Any: the user's own."""
    content = raw.get("content")
    if isinstance(content, str) and isinstance(raw["role"], str) and len(raw) == 2:  # the usual message
        return Message(raw["role"], content)
    more = {key: value for key, value in raw.items() if key not in ("role", "content")}
    if not isinstance(content, str):
        more["content"] = content
    return Message(str(raw["role"]), _text(content), more)


def calling_message(text: str, calls: Sequence[ToolCall]) -> Message:
    """The message of a model that calls tools; its content is null if it has no text."""
    made = [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
        for one in calls
    ]
    return Message("assistant", text, {"tool_calls": made} if text else {"content": None, "tool_calls": made})


def result_message(call: ToolCall, text: str) -> Message:
    """The message with the result of a tool."""
    return Message("tool", text, {"tool_call_id": call.id})


def picture_message(message: Message, urls: Sequence[str]) -> Message:
    """The message with these images before its text and before images that it has already."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    text = [{"type": "text", "text": message.content}] if message.content else []
    return Message(
        message.role, message.content, {**message.more, "content": [*parts, *_parts(message, text)]}
    )


def _parts(message: Message, text: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(message.more.get("content") or text)


def images_of(messages: Sequence[Message]) -> tuple[int, int]:
    """(number of images in the messages, bytes of their files); an image by http(s) URL counts 0 bytes."""
    urls = [
        part["image_url"].get("url") if isinstance(part["image_url"], Mapping) else part["image_url"]
        for message in messages
        if isinstance(message.more.get("content"), list)
        for part in message.more["content"]
        if isinstance(part, Mapping) and "image_url" in part
    ]
    return len(urls), sum(_size(url) for url in urls if isinstance(url, str))


def _size(url: str) -> int:
    """Bytes of the file in a data URL."""
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:")):
        return 0
    return len(data) * 3 // 4 - data[-2:].count("=") if head.endswith(";base64") else len(data)


def _text(content: object) -> str:
    """The text of a message's content, or of its parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part["text"]) for part in parts if isinstance(part, Mapping) and "text" in part)
