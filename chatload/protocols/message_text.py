"""Reads text, reasoning and tool calls from the choices of an event, in every form that servers use."""

from __future__ import annotations

import re
from functools import lru_cache

import orjson

from chatload.model.errors import WireError
from chatload.protocols.event_data import text_field
from chatload.protocols.server_errors import server_error

_REASONING = re.compile(r"reasoning|^reason$|think|thought|analysis|rationale|(?:^|_)cot(?:_|$)", re.I)
_ABOUT_REASONING = re.compile(
    r"signature|encrypt|redact|opaque|effort|budget|enabled|token|index|level|"
    r"(?:^|_)(?:id|type|format|status|state|time|duration|model|mode)$",
    re.I,
)
"""Patterns of keys with reasoning text, and of keys with facts about reasoning. Servers that send several of the former
send the same text in each."""
_USUAL_REASONING = ("reasoning", "reasoning_content")
"""The usual keys of reasoning. A value without text is an error under these, and ignored under others."""
_UNKNOWN_FIELDS = ("provider_specific_fields", "model_extra", "additional_kwargs")
"""Where gateways put the keys of a `delta` that they do not know (LiteLLM)."""
_REASONING_PARTS = ("reasoning", "thinking", "thought", "redacted")
"""Prefixes of the `type` of a reasoning part."""
_INNER = ("text", "content", "thinking", "reasoning", "summary", "refusal", "parts", "value")
"""Keys that may hold the text of a part. Signatures and encrypted reasoning are under other keys and are no text."""
_DEEPEST = 6
_USUAL = frozenset(
    ("index", "delta", "logprobs", "finish_reason", "stop_reason", "token_ids", "matched_stop")
)
"""The usual keys of a choice. None but `delta` holds text, reasoning or an error."""
_NOT_YET = frozenset(
    (
        "",
        "null",
        "none",
        "nil",
        "undefined",
        "unspecified",
        "finish_reason_unspecified",
        "unfinished",
        "in_progress",
    )
)
"""Finish reasons, in lower case, that mean that the reply goes on; TGI sends ""."""
_BY_LENGTH = frozenset(
    (
        "length",
        "max_tokens",  # Gemini, Cohere, Anthropic's word
        "max_output_tokens",
        "max_new_tokens",
        "max_length",
        "model_length",  # Mistral: the end of the context
        "model_context_window_exceeded",
        "token_limit",
        "finish_reason_max_tokens",
        "finish_reason_length",
    )
)
"""Finish reasons, in lower case, that mean "length"."""


Content = tuple[str, str, str, str | None, bool]
"""(text, reasoning, tool text, finish, whole) of an event; whole: its text was under `message`, so it may repeat the
text of earlier events."""
NO_CONTENT: Content = ("", "", "", None, False)


def content_of(choices: list[object], data: str) -> Content:
    """The content of all choices of an event. Raises WireError for a value that should be text and is not.

    `index` is not used: in TGI 1.4.0 it is the number of the token.
    """
    first = choices[0]
    if len(choices) == 1 and isinstance(first, dict):
        message = first.get("delta")
        if isinstance(message, dict) and len(message) <= 1 + ("role" in message):
            content = message.get("content") if message else ""
            if isinstance(content, str) and (first.keys() <= _USUAL or (content and "error" not in first)):
                return content, "", "", finish_of(first.get("finish_reason")), False  # the usual event
    return _content_of_any(choices, data)


def _content_of_any(choices: list[object], data: str) -> Content:
    text = reasoning = tool_text = ""
    finish = None
    whole = False
    for choice in choices:
        if not isinstance(choice, dict):
            raise WireError("a choice is no object", data)
        if choice.get("error"):  # OpenRouter
            raise server_error(choice["error"])
        message = choice.get("delta")
        if not message:
            message = choice.get("message")
            whole = whole or bool(message)
        more = thought = called = ""
        if isinstance(message, dict):
            more, thought, called = _of_message(message, data)
        elif isinstance(message, str):
            more = message
        if not (more or thought or called):
            more = text_field(choice, "text", data)
            thought = _reasoning_elsewhere(choice, message, data)
            if isinstance(message, dict):
                finish = finish_of(message.get("finish_reason")) or finish
        text, reasoning, tool_text = text + more, reasoning + thought, tool_text + called
        reason = choice.get("finish_reason")
        if reason:
            finish = finish_of(reason) or finish
    return text, reasoning, tool_text, finish, whole


def _of_message(message: dict[str, object], data: str) -> tuple[str, str, str]:
    """(text, reasoning, tool text) of a `delta` or `message`. A refusal is text, since the user reads it."""
    text = reasoning = tool_text = ""
    separate = ""  # reasoning under a key of its own
    for key, value in message.items():
        if not value:
            continue
        if key == "content":
            if isinstance(value, str):
                text += value
            else:
                more, reasoning = _parts(value, key, data)
                text += more
        elif key in _USUAL_REASONING:
            separate = separate or "".join(_parts(value, key, data))
        elif key in ("refusal", "text"):
            text += "".join(_parts(value, key, data))
        elif key in ("tool_calls", "function_call"):
            tool_text += _tool_text(value, key, data)
        elif key == "error":
            raise server_error(value)
        elif not separate and isinstance(value, str | list | dict) and _holds_reasoning(key):
            separate = "".join(_parts(value, key, data))
    return text, separate + reasoning, tool_text


def _reasoning_elsewhere(choice: dict[str, object], message: object, data: str) -> str:
    """The reasoning of a choice whose `delta` has no content: in fields unknown to a gateway, or in the choice."""
    inner = [message.get(key) for key in _UNKNOWN_FIELDS] if isinstance(message, dict) else []
    for holder in (*inner, choice):
        for key, value in holder.items() if isinstance(holder, dict) else ():
            if value and isinstance(value, str | list) and _holds_reasoning(key):
                return "".join(_parts(value, key, data))
    return ""


@lru_cache(maxsize=256)
def _holds_reasoning(key: str) -> bool:
    """Whether a key's name means that its value is reasoning."""
    return bool(_REASONING.search(key)) and not _ABOUT_REASONING.search(key)


def _parts(value: object, key: str, data: str, depth: int = 0) -> tuple[str, str]:
    """(text, reasoning) of a text, a part or a list of parts, such as [{"type": "text", "text": " word"}]."""
    if isinstance(value, str):
        return value, ""
    if depth > _DEEPEST or not isinstance(value, list | dict):
        raise WireError(f"{key} is no text", data)
    if isinstance(value, list):
        found = [_parts(part, key, data, depth + 1) for part in value if part is not None]
        return "".join(text for text, _ in found), "".join(thought for _, thought in found)
    inner_key = next((one for one in _INNER if isinstance(value.get(one), str | list | dict)), "")
    if not inner_key:
        return "", ""
    text, reasoning = _parts(value[inner_key], key, data, depth + 1)
    if str(value.get("type", inner_key)).startswith(_REASONING_PARTS):
        return "", reasoning + text
    return text, reasoning


def _tool_text(value: object, key: str, data: str) -> str:
    """The text of tool calls: names and arguments, which some servers send as JSON (Ollama) or as `input`."""
    calls = value if isinstance(value, list) else [{"function": value} if key == "function_call" else value]
    if not all(isinstance(call, dict | None) for call in calls):
        raise WireError(f"{key} is no list", data)
    functions = [call.get("function", call.get("custom")) for call in calls if isinstance(call, dict)]
    return "".join(
        text_field(function, "name", data)
        + (_json_text(function, "arguments", data) or _json_text(function, "input", data))
        for function in functions
        if isinstance(function, dict)
    )


def _json_text(of: dict[str, object], key: str, data: str) -> str:
    """The text under `key`, or its JSON as text."""
    value = of.get(key)
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode() if value else ""
    return text_field(of, key, data)


def finish_of(reason: object) -> str | None:
    """The finish reason, normalised to "length" for words with that meaning; None if the reply goes on."""
    if not reason:
        return None
    if isinstance(reason, dict):  # SGLang's own form: {"type": "stop", "matched": 2}
        reason = reason.get("type")
    words = str(reason)
    meant = words.strip().lower()
    if meant in _NOT_YET:
        return None
    return "length" if meant in _BY_LENGTH else words
