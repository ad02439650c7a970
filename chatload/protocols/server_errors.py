"""Errors that servers and gateways report inside a 200 reply: which JSON tells one, and in what words."""

from __future__ import annotations

import json
import re
from functools import lru_cache

import orjson

from chatload.model.errors import IN_BAND_ERROR, OVERLOADED, SERVER_ERROR, ServerError
from chatload.model.sanitize import printable
from chatload.protocols.error_words import Meaning, meaning_of
from chatload.protocols.server_kinds import ERRORS

MOST_CHARACTERS, MOST_JSON_BYTES = 200, 65536
"""What is kept of an error's words, and the longest body that is read for some."""
_WORDS = (
    "message",
    "msg",
    "error_message",
    "error_msg",
    "errormessage",
    "errmsg",
    "status_msg",
    "faultstring",
    "detail",
    "description",
    "error",
    "errors",
    "err",
    "text",
    "reason",
    "title",
    "type",
    "code",
)
"""Keys, in small letters, whose value may be the words of an error, the likeliest first."""
_INNER = ("error", "errors", "err", "base_resp", "fault", "exception", "data")
"""Keys whose value may hold the error itself."""
_HINTS = (
    "http_status_code",
    "status_code",
    "statuscode",
    "status",
    "code",
    "error_code",
    "type",
    "error_type",
    "__type",  # Bedrock
)
_TELLING = re.compile(r"(?:detail|errors?|err|error_?message|error_msg|errmsg|fault|\w*exception)$", re.I)
"""Keys that only an error has, where the event has no choices; Bedrock's end in Exception."""
_KINDS = ("type", "event", "status")
_NO_ERROR = ("", "0", "200", "ok", "success", "ping", "none")
_JSON = json.JSONDecoder()


def tells_error(event: dict[str, object]) -> bool:
    """Whether an event without choices reports an error though it has no `error`.

    FastAPI sends {"detail": …}, others {"code": …, "message": …}, {"success": false, "msg": …} or MiniMax's
    {"base_resp": {"status_code": 1002, "status_msg": …}}.
    """
    if any(_is_telling(key) and event[key] for key in event) or event.get("success") is False:
        return True
    answered = event.get("base_resp")
    if isinstance(answered, dict):
        return answered.get("status_code") not in (0, None)
    if any(key in event and str(event[key]).lower() in ("error", "failed") for key in _KINDS):
        return True
    words = event.get("message") or event.get("msg")
    if not isinstance(words, str) or not words.strip() or "usage" in event:
        return False
    hints = (event.get(key) for key in ("code", "status", "status_code", "type", "event"))
    return not any(hint is not None and str(hint).lower() in _NO_ERROR for hint in hints)


@lru_cache(maxsize=256)
def _is_telling(key: str) -> bool:
    return _TELLING.match(key) is not None


def server_error(told: object, status: int = 200) -> ServerError:
    """The failure that `told` reports: a JSON value, or a text. `status` is that of the reply; 200: of a stream.

    Its code is what its words, types and codes tell (error_words.py).
    """
    types: list[object] = []
    words = _words(told, types)
    meaning = meaning_of(words, types, status, ERRORS)
    shown = printable(words, MOST_CHARACTERS) or "an error without a message"
    return ServerError(shown, meaning.code, meaning.given, meaning.limit, by_words=meaning.by_words)


def error_of_text(text: str) -> ServerError:
    """The failure that the data of an `event: error` reports, JSON or not."""
    try:
        return server_error(orjson.loads(text))
    except orjson.JSONDecodeError:
        return server_error(text)


def error_in(raw: bytes, status: int = 200) -> ServerError | None:
    """The failure that JSON which is no event reports: a body, or what it goes on with; None where it reports none.

    `status` as for `server_error`.
    """
    try:
        told = _JSON.raw_decode(raw[:MOST_JSON_BYTES].decode("utf-8", "replace").lstrip())[0]
    except (ValueError, RecursionError):
        return None
    if isinstance(told, list) and len(told) == 1:
        told = told[0]
    if not isinstance(told, dict) or told.get("choices"):
        return None
    return server_error(told, status) if told.get("error") or tells_error(told) else None


def refusal_meaning(status: int, body: bytes) -> Meaning:
    """What a reply with a status of 4xx or 5xx means. Its code is that of the status where its words tell no other.

    A 429 is one, whatever it says; a 5xx is another failure only by words of its own.
    """
    by_status = "http_429" if status == 429 else "http_5xx" if status >= 500 else "http_4xx"
    told = error_in(body, status)
    if told is None:
        meaning = meaning_of(body[:MOST_JSON_BYTES].decode("utf-8", "replace"), (), 200, ERRORS)
        takes = meaning.by_words and meaning.code != OVERLOADED
    else:
        meaning = Meaning(told.code, told.given, told.limit, told.by_words)
        takes = status < 500 or (meaning.code == SERVER_ERROR and meaning.by_words)
        takes = takes or meaning.code not in (SERVER_ERROR, OVERLOADED)
    takes = takes and status != 429 and meaning.code != IN_BAND_ERROR
    return meaning if takes else Meaning(by_status)


def _words(told: object, hints: list[object], depth: int = 0) -> str:
    """The words of an error; `hints` gets the values of its codes and types."""
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        return "; ".join(filter(None, (_words(one, hints, depth + 1) for one in told[:3])))
    if not isinstance(told, dict) or depth > 4:
        return "" if told is None or told is True else str(told)
    told = {str(key).lower(): value for key, value in told.items()}
    hints += [told[key] for key in _HINTS if key in told]
    for key in (*_INNER, *(key for key in told if key.endswith("exception"))):
        inner = told.get(key)
        if isinstance(inner, dict | list) and (found := _words(inner, hints, depth + 1)):
            return found
    for key in _WORDS:
        value = told.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if key == "detail" and isinstance(value, dict | list) and (found := _words(value, hints, depth + 1)):
            return found
    return json.dumps(told) if told else ""
