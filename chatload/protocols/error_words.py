"""What the words of a server's error mean: whose fault it is, and where a prompt was too long, by how much.

Each kind of server declares its words beside what else it is (`ServerKind.errors`); those that many share stand here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatload.model.errors import CONTEXT_FULL, IN_BAND_ERROR, INVALID_REQUEST, OVERLOADED, SERVER_ERROR

_MOST_WORDS = 4096
"""Characters of an error that are looked at."""


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """Errors of one meaning: those whose words `pattern` finds, or whose type or code is one of `types`.

    The pattern's groups are numbers of tokens: `limit` is what the server takes; `given` (or given2, given3, …), with
    `more` added, is what the request came to.
    """

    code: str
    pattern: re.Pattern[str] | None = None
    types: frozenset[str] = frozenset()


def error_words(code: str, pattern: str = "", *types: str) -> ErrorWords:
    """`ErrorWords` of a regular expression, which ignores case, and of types in small letters."""
    return ErrorWords(code, re.compile(pattern, re.IGNORECASE) if pattern else None, frozenset(types))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means: its code (model/errors.py), and the tokens given and allowed where it tells them.

    `by_words`: its words told, not its type or a status.
    """

    code: str = IN_BAND_ERROR
    given: int | None = None
    limit: int | None = None
    by_words: bool = False


_LIMITED = r"overload|rate[ _-]?limit|throttl|too[ _]many[ _]requests"
SHARED: tuple[ErrorWords, ...] = (
    # OpenAI's words; vLLM, FastChat, SGLang and others have them in one form or another
    error_words(
        CONTEXT_FULL,
        r"maximum context length (?:is|of) (?P<limit>\d+) tokens(?:"
        r".{0,40}?requested (?:a total of )?(?P<given>\d+) tokens"
        r"|.{0,40}?resulted in (?P<given2>\d+) tokens"
        r"|.{0,200}?for a total of (?:at least )?(?P<given3>\d+) tokens"
        r"|.{0,80}?(?P<given4>\d+) (?:input|prompt) tokens)?",
        "context_length_exceeded",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "model_context_window_exceeded",
    ),
    error_words(OVERLOADED, _LIMITED),
    error_words(
        INVALID_REQUEST,
        "",
        *("invalid_request_error", "badrequesterror", "bad request", "bad_request", "invalid_argument"),
        *("notfounderror", "not_found_error", "validation_error", "value_error", "missing"),
    ),
    error_words(
        SERVER_ERROR,
        "",
        *("server_error", "internal_server_error", "internalservererror", "internal_error", "api_error"),
    ),
)
"""Words and types of many servers and gateways."""

_TURNED_AWAY = re.compile(f"429|503|529|.*(?:{_LIMITED})")
"""Types, statuses and FastChat's codes (429xx) inside of an error, of a server that takes no more for now."""
_NOT_THE_REQUEST = (401, 402, 403, 407, 408, 409, 423, 425, 429, 499)
"""Statuses 4xx that say nothing against what was asked: a key, a quota, a conflict, a hang-up."""


def meaning_of(
    words: str, types: Sequence[object] = (), status: int = 200, known: Iterable[ErrorWords] = SHARED
) -> Meaning:
    """What an error means by its words, else by its types and codes, else by the status of the reply.

    `known` are looked through in their order. Nothing is guessed: an error that does not tell whose fault it is stays
    `in_band_error`.
    """
    known, words = tuple(known), words[:_MOST_WORDS]
    for one in known:
        found = one.pattern.search(words) if one.pattern is not None else None
        if found is not None:
            return _with_tokens(one.code, found)
    if status in _NOT_THE_REQUEST:
        return Meaning()
    told = {str(one).lower() for one in types if isinstance(one, int | str) and not isinstance(one, bool)}
    if any(map(_TURNED_AWAY.match, told)):
        return Meaning(OVERLOADED)
    for one in known:
        if one.types & told:
            return Meaning(one.code)
    if 400 <= status < 500:
        return Meaning(INVALID_REQUEST)
    inside = {int(one) for one in told if len(one) == 3 and one.isdecimal()}
    if any(500 <= one < 600 for one in inside):
        return Meaning(SERVER_ERROR)
    return Meaning(INVALID_REQUEST if 400 in inside else IN_BAND_ERROR)


def _with_tokens(code: str, found: re.Match[str]) -> Meaning:
    """The meaning with the numbers of the pattern's groups."""
    if code != CONTEXT_FULL:
        return Meaning(code, by_words=True)
    told = {name: int(float(value)) for name, value in found.groupdict().items() if value}
    given = next((value for name, value in told.items() if name.startswith("given")), None)
    total = None if given is None else given + told.get("more", 0)
    return Meaning(code, total, told.get("limit"), by_words=True)
