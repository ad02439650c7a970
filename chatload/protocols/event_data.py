"""Reads the data of an event: its JSON object, and the error that it may hold within a 200 stream."""

from __future__ import annotations

import json
import re

import orjson

from chatload.model.errors import ServerError, WireError
from chatload.model.output import without_commands

MOST_TOKENS = 1_000_000_000
"""Largest plausible count; larger ones are no counts, and would not fit where counts are kept."""
MOST_VALUES = 250_000
"""Most objects, lists and members of one event: each takes up to 230 bytes when read."""
_BROKEN_ERROR = re.compile(r"\s*\{\s*[\"']error[\"']\s*:\s*(?P<words>.*)", re.DOTALL)


def loaded(data: str | bytes) -> dict[str, object]:
    """The JSON object of an event; raises ServerError when it is an error, WireError when it is no JSON."""
    if len(data) > MOST_VALUES and _values(data) > MOST_VALUES:
        raise WireError(f"an event of more than {MOST_VALUES} values")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = _second_look(data)
    if not isinstance(found, dict):
        raise WireError("the data of an event is no JSON object", data)
    if "error" in found or "error_code" in found or found.get("object") == "error":
        _raise_if_error(found)
    return found


def count(value: object) -> int | None:
    """A count of tokens; None for a value that is none."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def printable(text: object, limit: int) -> str:
    """An untrusted text for one line: control characters become blanks, at most `limit` characters."""
    line = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * limit])
    return without_commands(" ".join(line.split())[:limit])


def _values(data: str | bytes) -> int:
    """An upper bound of the number of values in a JSON text, minus one; commas in strings are counted too."""
    if isinstance(data, str):
        return sum(map(data.count, "{[,"))
    return sum(map(data.count, (b"{", b"[", b",")))


def _second_look(data: str | bytes) -> object:
    """The content by Python's json, which reads the NaN and lone surrogates that some servers write."""
    try:
        taken = json.loads(data)
        return json.loads(json.dumps(taken, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        # transformers serve does not escape the message
        broken = _BROKEN_ERROR.match(text)
        if broken is None:
            raise WireError("the data of an event is no JSON", data) from None
        words = printable(broken["words"].strip().strip("\"'}"), 200)
        raise ServerError(words, _code(words)) from None


def _raise_if_error(event: dict[str, object]) -> None:
    """Raises ServerError for `error` (a string or an object), `error_code` not 0, or `object: error`."""
    error = event.get("error")
    if error is None or error is False:
        if event.get("object") != "error" and event.get("error_code") in (None, 0):
            return
        error = event
    hints = [event.get("error_type"), event.get("error_code")]
    words: object = error
    if isinstance(error, dict):
        told = (error.get(key) for key in ("message", "error", "detail", "text", "type"))
        words = next((t for t in told if t and isinstance(t, str)), None) or json.dumps(error)
        hints += [error.get(key) for key in ("http_status_code", "code", "type", "error_type")]
    line = printable(words, 200) or "an error without a message"
    raise ServerError(line, _code(line, *hints))


def _code(words: str, *hints: object) -> str:
    """ "overloaded" when the words or a status (429, 503, FastChat's 429xx) say so, else "in_band_error"."""
    if "overloaded" in words.lower():
        return "overloaded"
    for hint in hints:
        if isinstance(hint, int | str) and str(hint).lower().startswith(("overloaded", "429", "503")):
            return "overloaded"
    return "in_band_error"
