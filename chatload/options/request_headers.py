"""Checks `--headers` and header names, so that none can add lines to a request or hold a secret."""

from __future__ import annotations

import json
import re

from chatload.options.option import InvalidValue, JsonObject

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, 5.6.2)."""
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_SECRET = re.compile(
    "authorization|x-auth|api-key|apikey|access-key|auth-key|subscription-key|functions-key|^(x-)?key$|"
    "cookie|token|secret|password"
)
_RESERVED = re.compile("host|content-type|content-length|content-encoding|accept-encoding|x-request-id")
"""Headers that chatload sets itself, or that no request may have, as replies must not be compressed."""
_CONNECTION = re.compile(
    "connection|keep-alive|proxy-connection|transfer-encoding|te|trailer|upgrade|http2-settings|expect"
)
"""Headers that change how the connection is used."""
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\{\{[^}]*\}\}")
"""A variable of another tool, which chatload would send literally."""


class Headers(JsonObject):
    """Further headers of every request, as a JSON object; those of chatload or of the connection are refused."""

    def parse(self, text: str) -> dict[str, str]:
        """The values by name. Raises InvalidValue with all mistakes, including names given twice."""
        found = JsonObject.parse(self, text)
        try:
            pairs = json.loads(text or "{}", object_pairs_hook=list)
        except RecursionError:
            pairs = list(found.items())
        headers: dict[str, str] = {}
        mistakes = []
        for name, value in pairs:
            problem = _header_problem(name, value, {known.lower() for known in headers})
            if problem:
                mistakes.append(f"--{self.name} {name[:80]!r}: {problem}")
            else:
                headers[name] = value
        if mistakes:
            raise InvalidValue(lines=tuple(mistakes))
        return headers


def names_secret(name: str) -> bool:
    """Whether a header of this name may hold a key, a cookie or a password."""
    return _SECRET.search(name.lower()) is not None


def _header_problem(name: str, value: object, known: set[str]) -> str | None:
    """The mistake in one header, in words that do not show its value; None if there is none."""
    if names_secret(name) and _TOKEN.fullmatch(name):
        named = "" if name.lower() == "authorization" else f", with --auth-header {name[:80]}"
        return f"secrets do not go in arguments: set CHATLOAD_API_KEY instead{named}"
    problem = header_mistake(name)
    if problem:
        return problem
    if name.lower() in known:
        return "is given twice"
    if not isinstance(value, str):
        return 'its value must be a text in quotes, such as "1"'
    if not _VALUE.fullmatch(value):
        return "its value must be plain ASCII without line breaks"
    if _PLACEHOLDER.search(value):
        return "nothing fills in its ${…}: --session-header NAME gives each conversation a value of its own"
    return None


def header_mistake(name: str) -> str | None:
    """The mistake in the name of a header that the user chooses; None if there is none."""
    if not name:
        return "a header needs a name"
    if not _TOKEN.fullmatch(name):
        return "a header's name is of letters, digits and !#$%&'*+-.^_`|~ only"
    if _RESERVED.fullmatch(name.lower()):
        return "chatload sets this header itself: leave it out"
    if _CONNECTION.fullmatch(name.lower()):
        return "would change how the connection is used: leave it out"
    return None
