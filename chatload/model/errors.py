"""Failure codes, whose meaning never changes (docs/metrics.md, "Failures"), and the exceptions that carry them."""

from __future__ import annotations

import re

from chatload.model.output import without_commands

CODES: dict[str, str] = {
    "connect": "no connection: refused, unreachable, unknown host, or TLS failed",
    "timeout_first": "no token within --first-token-timeout",
    "timeout_gap": "nothing arrived for --gap-timeout in the middle of a reply",
    "deadline": "the whole turn took longer than --turn-timeout",
    "http_3xx": "the server redirects to another address: requests are not sent on to it",
    "context_full": "the prompt does not fit the model's context (no failure, except with --context-full fail)",
    "invalid_request": "the server says that the request is wrong: a mistake of the scenario or its options",
    "server_error": "the server says that it failed: its engine, or the way to it",
    "http_4xx": "the server refused the request, and not for what it asks (a 4xx other than 429)",
    "http_429": "the server said 429 Too Many Requests",
    "http_5xx": "the server said 5xx",
    "overloaded": "the server said inside a 200 stream that it is overloaded, or limits the rate",
    "in_band_error": "an error event inside a 200 stream that does not tell whose fault it is",
    "truncated": "the reply ended without its end mark, or the connection broke",
    "bad_wire": "bytes that do not fit the dialect, or more of them than a reply may have",
    "not_closed": "the reply was finished, but the server never ended the HTTP message",
    "aborted": "the server ended the reply with finish_reason abort, error or the like",
    "empty_reply": "the server ended the reply by length without a token: the prompt may not fit (vLLM 0.1.x)",
    "filtered": "a content filter withheld the reply, or the rest of it (finish_reason content_filter or the like)",
    "wrong_reply": "a whole reply that is not what --expect says",
    "cross_talk": "the reply holds the reference of another user (--echo-check): it was made for somebody else",
    "interrupted": "we hung up: the run was stopped before the reply ended (counted apart, no failure)",
    "abandoned": "the user hung up in the middle, as planned (--abandon; counted apart, no failure)",
}
CONTEXT_FULL, INVALID_REQUEST, SERVER_ERROR = "context_full", "invalid_request", "server_error"
OVERLOADED, IN_BAND_ERROR, EMPTY_REPLY = "overloaded", "in_band_error", "empty_reply"
NO_FAILURES = frozenset({"interrupted", "abandoned"})
"""Codes of turns that we cut short ourselves, which do not count against the server."""

_IDS = re.compile(
    r"\b0x[0-9a-f]+\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{9,}\b"
    r"|\b(?=[a-z]*[0-9])[0-9a-f]{8,}\b"
    r"|\b[a-z]+[-_](?=[a-z]*[0-9])[0-9a-z]{8,}\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_JSON_QUOTED = re.compile(r": b?['\"](?:data: ?)?\{.*")
"""A quoted event. It holds the text of one reply, so it differs from turn to turn."""
_STATUS = re.compile(r"HTTP \d{3}\b")


def cause(detail: str) -> str:
    """A failure's text without the numbers and ids that differ from turn to turn, so that equal causes are equal.

    Tables group failures by it; the journal keeps the full text.
    """
    status = _STATUS.match(detail)
    kept = status[0] if status else ""
    detail = _JSON_QUOTED.sub("", detail)
    return kept + _NUMBER.sub("N", _IDS.sub("…", detail[len(kept) :]))


class ChatloadError(Exception):
    """Base of every error chatload raises on purpose."""


class TurnError(ChatloadError):
    """A turn failed. `code` is one of CODES, `detail` what was received: at most 200 printable characters."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = "".join(c if c.isprintable() else "\ufffd" for c in without_commands(detail[:200]))
        super().__init__(f"{code}: {self.detail}")

    def add(self, words: str) -> None:
        """Append `words` in parentheses to `detail`, which is cut to make room."""
        self.detail = f"{self.detail[: 197 - len(words)]} ({words})"


class WireError(TurnError):
    """Bytes that do not fit the dialect. The message quotes up to 80 bytes of `offending`."""

    def __init__(self, reason: str, offending: bytes | str = b"") -> None:
        quoted = f": {offending[:80]!r}" if offending else ""
        super().__init__("bad_wire", f"{reason}{quoted}")


class ServerError(TurnError):
    """The server reported an error in its own words.

    `given` and `limit`: tokens of a request that does not fit the context, and tokens allowed.
    `by_words`: the code was derived from the server's words, not from an error type or status.
    """

    def __init__(
        self,
        words: str,
        code: str = "in_band_error",
        given: int | None = None,
        limit: int | None = None,
        *,
        by_words: bool = False,
    ) -> None:
        super().__init__(code, words)
        self.given, self.limit, self.by_words = given, limit, by_words


class UsageError(ChatloadError):
    """All of the user's mistakes, one line each, with the value and the remedy. Ends with exit code 2."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
