"""Reads the data of an event: its JSON object, and errors that servers report within a 200 stream."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping

import orjson

from chatload.model.errors import WireError
from chatload.protocols.server_errors import error_in, is_error, server_error

MOST_TOKENS = 1_000_000_000
"""Largest plausible token count. Larger numbers are ignored, and would not fit the integers that store counts."""
MOST_MS = 86_400_000.0
"""Longest plausible time of a request, in ms: a day."""
MOST_VALUES = 250_000
"""Most objects, lists and members of one event: each takes up to 230 bytes of memory when decoded."""
NO_OBJECT = "the data of an event is no JSON object"
USUAL_KEYS = frozenset(("id", "object", "created", "model", "choices", "usage", "system_fingerprint"))
"""An event with only these keys is no error, unless `object` is "error", and has counts only in `usage` or choices."""
_TOO_DEEP = "depth"
"""Part of orjson's message on more than 1,024 levels of nesting."""
OPENAI_CHAT = "an event of OpenAI's chat, not of this route"
SINGLE_LINE_ENDS = "a single line end after each event, where server-sent events need a blank line"
_BROKEN_ERROR = re.compile(r"\s*\{\s*[\"']error[\"']\s*:\s*(?P<words>.*)", re.DOTALL)


def loaded(data: str | bytes) -> dict[str, object]:
    """The JSON object of an event. Raises ServerError if it is an error, WireError if it is not a JSON object."""
    if len(data) > MOST_VALUES and _values(data) > MOST_VALUES:
        raise WireError(f"an event of more than {MOST_VALUES} values")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if _TOO_DEEP in error.msg:  # Python's own json has no limit since 3.13
            raise WireError("the data of an event is no JSON", data) from None
        found = _loaded_leniently(data)
    if not isinstance(found, dict):
        raise error_in(data.encode() if isinstance(data, str) else data) or WireError(NO_OBJECT, data)
    if found.keys() <= USUAL_KEYS and found.get("object") != "error":
        return found
    if "error" in found or "error_code" in found or found.get("object") == "error":
        _raise_if_error(found)
    elif not found.get("choices") and "token" not in found and "text" not in found and is_error(found):
        raise server_error(found)
    return found


def typed(data: str, types: Container[object]) -> dict[str, object]:
    """As `loaded`, but an event whose `type` is in `types` is never an error, whatever keys it has."""
    if len(data) <= MOST_VALUES:
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            return loaded(data)
        if isinstance(found, dict) and found.get("type") in types:
            return found
    return loaded(data)


def count(value: object) -> int | None:
    """A token count, which some gateways send as "20" or 20.0; None for any other value."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    if isinstance(value, str) and len(value) < 11 and value.isascii() and value.isdigit():
        return count(int(value))
    if isinstance(value, float) and value.is_integer():
        return count(int(value))
    return None


def milliseconds(value: object) -> float | None:
    """A duration in ms; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_MS else None


def text_field(of: Mapping[str, object], key: str, data: str | bytes) -> str:
    """The text under `key`; "" where it is missing or null. Raises WireError, which quotes `data`, for other values."""
    value = of.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WireError(f"{key} is no text", data)
    return value


def _values(data: str | bytes) -> int:
    """An upper bound of the number of values in a JSON text, minus one: commas in strings count too."""
    if isinstance(data, str):
        return sum(map(data.count, "{[,"))
    return sum(map(data.count, (b"{", b"[", b",")))


def _loaded_leniently(data: str | bytes) -> object:
    """The JSON by Python's json, which accepts the NaN and lone surrogates that some servers write.

    Raises ServerError for a broken error object, WireError for any other text.
    """
    if data[:5] in ("data:", b"data:"):  # a gateway wraps the server's lines in events of its own
        return loaded(data[5:].strip())
    try:
        content = json.loads(data)
        return json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        broken = _BROKEN_ERROR.match(text)  # transformers serve does not escape the message
        if broken is None:
            raise WireError(_why_no_json(text), data) from None
        raise server_error(broken["words"].strip().strip("\"'}")) from None


def _why_no_json(data: str) -> str:
    """Why data is no JSON. If each line is JSON, the lines are events without blank lines between them."""
    lines = data.split("\n")
    if len(lines) > 1 and all(line == "[DONE]" or is_object(line) for line in lines):
        return SINGLE_LINE_ENDS
    return "the data of an event is no JSON"


def is_object(data: str | bytes) -> bool:
    """Whether a text is a whole JSON object; True without a check if it is very long."""
    if len(data) > MOST_VALUES:
        return True
    try:
        return isinstance(orjson.loads(data), dict)
    except orjson.JSONDecodeError:
        return False


def _raise_if_error(event: dict[str, object]) -> None:
    """Raises ServerError for `error` (a string or an object), `error_code` not 0, or `object: error`."""
    error = event.get("error")
    none = error is None or error is False or (not error and event.get("choices"))
    if not none or event.get("object") == "error" or event.get("error_code") not in (None, 0):
        raise server_error(event)
