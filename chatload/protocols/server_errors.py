"""Recognises errors that servers and gateways report as JSON, also inside a 200 reply, and reads their words."""

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
"""Most characters kept of an error's words, and most bytes of a body that are searched for them."""
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
"""Keys, in lower case, whose value may be the words of an error, the likeliest first."""
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
"""Keys whose value may be a code or type of an error."""
_ERROR_KEY = re.compile(r"(?:detail|errors?|err|error_?message|error_msg|errmsg|fault|\w*exception)$", re.I)
"""Keys that only an error has, in an event without choices; Bedrock's end in Exception."""
_KINDS = ("type", "event", "status")
_NO_ERROR = ("", "0", "200", "ok", "success", "ping", "none")
_JSON = json.JSONDecoder()


def is_error(event: dict[str, object]) -> bool:
    """Whether an event without choices and without `error` reports an error.

    FastAPI sends {"detail": …}, others {"code": …, "message": …}, {"success": false, "msg": …} or MiniMax's
    {"base_resp": {"status_code": 1002, "status_msg": …}}.
    """
    if any(_is_error_key(key) and event[key] for key in event) or event.get("success") is False:
        return True
    status = event.get("base_resp")
    if isinstance(status, dict):
        return status.get("status_code") not in (0, None)
    if any(key in event and str(event[key]).lower() in ("error", "failed") for key in _KINDS):
        return True
    words = event.get("message") or event.get("msg")
    if not isinstance(words, str) or not words.strip() or "usage" in event:
        return False
    hints = (event.get(key) for key in ("code", "status", "status_code", "type", "event"))
    return not any(hint is not None and str(hint).lower() in _NO_ERROR for hint in hints)


@lru_cache(maxsize=256)
def _is_error_key(key: str) -> bool:
    return _ERROR_KEY.match(key) is not None


def server_error(error: object, status: int = 200) -> ServerError:
    """The failure reported by `error`, a JSON value or a text. `status` is the reply's; 200 for an error in a stream.

    Its code is derived from its words, types and codes (error_words.py).
    """
    types: list[object] = []
    words = _words(error, types)
    meaning = meaning_of(words, types, status, ERRORS)
    shown = printable(words, MOST_CHARACTERS) or "an error without a message"
    return ServerError(shown, meaning.code, meaning.given, meaning.limit, by_words=meaning.by_words)


def error_of_text(text: str) -> ServerError:
    """The failure reported by the data of an `event: error`, JSON or not."""
    try:
        return server_error(orjson.loads(text))
    except orjson.JSONDecodeError:
        return server_error(text)


def error_in(raw: bytes, status: int = 200) -> ServerError | None:
    """The failure reported by JSON outside of an event, at the start of `raw`; None if it reports none.

    `status` as in `server_error`.
    """
    try:
        content = _JSON.raw_decode(raw[:MOST_JSON_BYTES].decode("utf-8", "replace").lstrip())[0]
    except (ValueError, RecursionError):
        return None
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict) or content.get("choices"):
        return None
    return server_error(content, status) if content.get("error") or is_error(content) else None


def refusal_meaning(status: int, body: bytes) -> Meaning:
    """What a reply with a status of 4xx or 5xx means: a code derived from its body, else the code of the status.

    A 429 is always http_429; a 5xx has another code only if its words say so.
    """
    by_status = "http_429" if status == 429 else "http_5xx" if status >= 500 else "http_4xx"
    error = error_in(body, status)
    if error is None:
        meaning = meaning_of(body[:MOST_JSON_BYTES].decode("utf-8", "replace"), (), 200, ERRORS)
        by_body = meaning.by_words and meaning.code != OVERLOADED
    else:
        meaning = Meaning(error.code, error.given, error.limit, error.by_words)
        by_body = status < 500 or (meaning.code == SERVER_ERROR and meaning.by_words)
        by_body = by_body or meaning.code not in (SERVER_ERROR, OVERLOADED)
    by_body = by_body and status != 429 and meaning.code != IN_BAND_ERROR
    return meaning if by_body else Meaning(by_status)


def _words(error: object, hints: list[object], depth: int = 0) -> str:
    """The words of an error; the values of its codes and types are added to `hints`."""
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(filter(None, (_words(one, hints, depth + 1) for one in error[:3])))
    if not isinstance(error, dict) or depth > 4:
        return "" if error is None or error is True else str(error)
    error = {str(key).lower(): value for key, value in error.items()}
    hints += [error[key] for key in _HINTS if key in error]
    for key in (*_INNER, *(key for key in error if key.endswith("exception"))):
        inner = error.get(key)
        if isinstance(inner, dict | list) and (found := _words(inner, hints, depth + 1)):
            return found
    for key in _WORDS:
        value = error.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if key == "detail" and isinstance(value, dict | list) and (found := _words(value, hints, depth + 1)):
            return found
    return json.dumps(error) if error else ""
