"""Reads the data of an event: its JSON object, and the error that it may hold within a 200 stream."""

from __future__ import annotations

import json
import re
from collections.abc import Container

import orjson

from chatload.model.errors import WireError
from chatload.protocols.server_errors import error_in, server_error, tells_error

MOST_TOKENS = 1_000_000_000
"""Largest plausible count; larger ones are no counts, and would not fit where counts are kept."""
MOST_MS = 86_400_000.0
"""Longest plausible time of a request, in ms: a day."""
MOST_VALUES = 250_000
"""Most objects, lists and members of one event: each takes up to 230 bytes when read."""
NO_OBJECT = "the data of an event is no JSON object"
USUAL_KEYS = frozenset(("id", "object", "created", "model", "choices", "usage", "system_fingerprint"))
"""Keys of an event that holds no error, unless `object` says so, and its counts under `usage`, or in its choices."""
_TOO_DEEP = "depth"
"""In orjson's words about more than 1,024 levels of nesting."""
SINGLE_LINE_ENDS = "a single line end after each event, where server-sent events need a blank line"
_BROKEN_ERROR = re.compile(r"\s*\{\s*[\"']error[\"']\s*:\s*(?P<words>.*)", re.DOTALL)


def loaded(data: str | bytes) -> dict[str, object]:
    """The JSON object of an event; raises ServerError when it is an error, WireError when it is no JSON."""
    if len(data) > MOST_VALUES and _values(data) > MOST_VALUES:
        raise WireError(f"an event of more than {MOST_VALUES} values")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if _TOO_DEEP in error.msg:  # Python's own json has no limit since 3.13
            raise WireError("the data of an event is no JSON", data) from None
        found = _second_look(data)
    if not isinstance(found, dict):
        raise error_in(data.encode() if isinstance(data, str) else data) or WireError(NO_OBJECT, data)
    if found.keys() <= USUAL_KEYS and found.get("object") != "error":
        return found
    if "error" in found or "error_code" in found or found.get("object") == "error":
        _raise_if_error(found)
    elif not found.get("choices") and "token" not in found and "text" not in found and tells_error(found):
        raise server_error(found)
    return found


def typed(data: str, types: Container[object]) -> dict[str, object]:
    """The JSON object of an event whose `type` tells what it is; one of `types` is no error, whatever keys it has.

    Raises as `loaded` for any other.
    """
    if len(data) <= MOST_VALUES:
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            return loaded(data)
        if isinstance(found, dict) and found.get("type") in types:
            return found
    return loaded(data)


def count(value: object) -> int | None:
    """A count of tokens, which some gateways send as "20" or 20.0; None for a value that is none."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    if isinstance(value, str) and len(value) < 11 and value.isascii() and value.isdigit():
        return count(int(value))
    if isinstance(value, float) and value.is_integer():
        return count(int(value))
    return None


def milliseconds(value: object) -> float | None:
    """A length of time in ms; None for a value that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_MS else None


def _values(data: str | bytes) -> int:
    """An upper bound of the number of values in a JSON text, minus one; commas in strings are counted too."""
    if isinstance(data, str):
        return sum(map(data.count, "{[,"))
    return sum(map(data.count, (b"{", b"[", b",")))


def _second_look(data: str | bytes) -> object:
    """The content by Python's json, which reads the NaN and lone surrogates that some servers write."""
    if data[:5] in ("data:", b"data:"):  # a gateway that puts the server's lines into events of its own
        return loaded(data[5:].strip())
    try:
        taken = json.loads(data)
        return json.loads(json.dumps(taken, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        # transformers serve does not escape the message
        broken = _BROKEN_ERROR.match(text)
        if broken is None:
            raise WireError(_why_no_json(text), data) from None
        raise server_error(broken["words"].strip().strip("\"'}")) from None


def _why_no_json(data: str) -> str:
    """What is wrong with data that is no JSON. Lines that are JSON each are events without blank lines between them."""
    lines = data.split("\n")
    if len(lines) > 1 and all(line == "[DONE]" or is_object(line) for line in lines):
        return SINGLE_LINE_ENDS
    return "the data of an event is no JSON"


def is_object(data: str | bytes) -> bool:
    """Whether a text is a whole JSON object, or too much to tell."""
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
