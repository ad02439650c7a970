"""Derives an error code from the words of a server's error, and for a prompt that is too long also the token counts.

Each kind of server declares its own words (`ServerKind.errors`); this file has those that many servers share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatload.model.errors import CONTEXT_FULL, IN_BAND_ERROR, INVALID_REQUEST, OVERLOADED, SERVER_ERROR

_MOST_WORDS = 4096
"""Characters of an error that are searched."""


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """Errors with one code: those whose words match `pattern`, or whose type or code is in `types`.

    The pattern's groups are numbers of tokens: `limit` is the most that the server accepts; `given` (or given2,
    given3, …) plus `more` is what the request had.
    """

    code: str
    pattern: str = ""
    types: frozenset[str] = frozenset()


def error_words(code: str, pattern: str = "", *types: str) -> ErrorWords:
    """`ErrorWords` of a regular expression, which ignores case, and of types in lower case."""
    return ErrorWords(code, pattern, frozenset(types))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means: its code (model/errors.py), and the tokens given and allowed where it states them.

    `by_words`: the code is from the error's words, not from its type or a status.
    """

    code: str = IN_BAND_ERROR
    given: int | None = None
    limit: int | None = None
    by_words: bool = False


_THAN = r"(?:exceed\w*|(?:is |are )?(?:longer|larger|greater|bigger|more) than|over|beyond)"
_LIMITED = r"overload|rate[ _-]?limit|throttl|too[ _]many[ _]requests"
_BUSY = (
    r"|server[ _](?:is )?(?:too )?busy|queue[ _](?:is )?full|at capacity\b|currently loading"
    r"|concurren\w* (?:limit|requests?) (?:was |is |has been )?(?:exceeded|reached)"
)
SHARED: tuple[ErrorWords, ...] = (
    # OpenAI's words; vLLM, FastChat, SGLang and others use variants of them
    error_words(
        CONTEXT_FULL,
        r"maximum context length (?:is|of) (?P<limit>\d+) tokens(?:"
        r".{0,40}?requested (?:a total of |about )?(?P<given>\d+) tokens"
        r"|.{0,40}?resulted in (?P<given2>\d+) tokens"
        r"|.{0,200}?for a total of (?:at least )?(?P<given3>\d+) tokens"
        r"|.{0,80}?(?P<given4>\d+) (?:input|prompt) tokens"
        r"|, but (?P<given5>\d+) tokens were requested)?",
        "context_length_exceeded",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "model_context_window_exceeded",
        "tokens_limit_reached",
    ),
    # services, in the words of their documentation or of public reports: Google, Mistral, xAI, Fireworks, Cerebras,
    # Moonshot, GitHub, Zhipu; LM Studio
    error_words(
        CONTEXT_FULL,
        r"input token count (?:\((?P<given>\d+)\) )?exceeds the maximum number of tokens allowed \(?(?P<limit>\d+)",
    ),
    error_words(
        CONTEXT_FULL,
        r"prompt contains (?P<given>\d+) tokens.{0,80}too large for model with (?P<limit>\d+) maximum context",
    ),
    error_words(
        CONTEXT_FULL,
        r"maximum prompt length is (?P<limit>\d+) but the request contains (?P<given>\d+) tokens",
    ),
    error_words(
        CONTEXT_FULL, r"prompt is too long: (?P<given>\d+), model maximum context length: (?P<limit>\d+)"
    ),
    error_words(
        CONTEXT_FULL,
        r"reduce the length of the messages.{0,40}length is (?P<given>\d+) while limit is (?P<limit>\d+)",
    ),
    error_words(CONTEXT_FULL, r"exceeded model token limit: (?P<limit>\d+)"),
    error_words(CONTEXT_FULL, r"^Prompt exceeds max length$"),
    error_words(
        CONTEXT_FULL, r"(?:body|request) too large for .{1,60} model\. Max size: (?P<limit>\d+) tokens"
    ),
    error_words(
        CONTEXT_FULL,
        r"keep the first (?P<given>\d+) tokens when context the overflows.{0,80}context length of only (?P<limit>\d+)",
    ),
    error_words(
        CONTEXT_FULL,
        rf"(?:prompt|input|context|requested) (?:length |tokens )?\(?(?P<given>\d+)(?: tokens)?\)? {_THAN} "
        r"(?:the )?(?:context (?:length|size|window)|max_seq_len)(?: of)? \(?(?P<limit>\d+)",
    ),
    # patterns common to such words
    error_words(
        CONTEXT_FULL,
        rf"\b(?:prompt|inputs?|messages|requests?|conversation|tokens)\b[^.]{{0,60}}\b{_THAN} [^.]{{0,60}}"
        r"\b(?:context (?:length|size|window|limit)|(?:max_seq_len|max_model_len|max_context_len\w*|n_ctx)\b|"
        r"max(?:imum)? (?:model |sequence |input |prompt |context )+(?:length|size|tokens))",
    ),
    error_words(
        CONTEXT_FULL,
        r"(?:context (?:length|size|window|limit)) (?:has been |was |is )?exceed"
        r"|input is too long for (?:the )?requested|prompt is too (?:long|big)"
        r"|context window exceeds limit|range of input length should be \[1, (?P<limit>\d+)\]",
    ),
    error_words(OVERLOADED, _LIMITED + _BUSY),
    error_words(INVALID_REQUEST, r"\bmodel .{1,80} (?:not found|does not exist)"),
    error_words(
        INVALID_REQUEST,
        "",
        *("invalid_request_error", "badrequesterror", "bad request", "bad_request", "invalid_argument"),
        *("notfounderror", "not_found_error", "validation_error", "value_error", "missing"),
        *("invalidparameter", "invalid_parameter", "validationexception"),
    ),
    error_words(
        SERVER_ERROR,
        r"\bcuda (?:error|out of memory)|upstream connect error|^transport error",
        *("server_error", "internal_server_error", "internalservererror", "internal_error", "api_error"),
    ),
)
"""Words and types of many servers and gateways."""

_TURNED_AWAY = re.compile(f"429|503|529|.*(?:{_LIMITED})")
"""Types, statuses and FastChat's codes (429xx) in an error that mean that the server accepts no more for now."""
_NOT_THE_REQUEST = (401, 402, 403, 407, 408, 409, 423, 425, 429, 499)
"""Statuses 4xx that are not about the request's content: a key, a quota, a conflict, a hang-up."""


def meaning_of(
    words: str, types: Sequence[object] = (), status: int = 200, known: Iterable[ErrorWords] = SHARED
) -> Meaning:
    """What an error means by its words, else by its types and codes, else by the status of the reply.

    `known` is searched in order. An error that matches nothing is `in_band_error`: whose fault it is stays open.
    """
    known, words = tuple(known), words[:_MOST_WORDS]
    for one in known:
        # Compiled at the first error and cached by `re`: compiling all at start would take 5 ms.
        found = re.search(one.pattern, words, re.IGNORECASE) if one.pattern else None
        if found is not None:
            return _with_tokens(one.code, found)
    if status in _NOT_THE_REQUEST:
        return Meaning()
    names = {str(one).lower() for one in types if isinstance(one, int | str) and not isinstance(one, bool)}
    if any(map(_TURNED_AWAY.match, names)):
        return Meaning(OVERLOADED)
    for one in known:
        if one.types & names:
            return Meaning(one.code)
    if 400 <= status < 500:
        return Meaning(INVALID_REQUEST)
    inside = {int(one) for one in names if len(one) == 3 and one.isdecimal()}
    if any(500 <= one < 600 for one in inside):
        return Meaning(SERVER_ERROR)
    return Meaning(INVALID_REQUEST if 400 in inside else IN_BAND_ERROR)


def _with_tokens(code: str, found: re.Match[str]) -> Meaning:
    """The meaning of a match, with the token counts of the pattern's groups."""
    if code != CONTEXT_FULL:
        return Meaning(code, by_words=True)
    counts = {name: int(float(value)) for name, value in found.groupdict().items() if value}
    given = next((value for name, value in counts.items() if name.startswith("given")), None)
    total = None if given is None else given + counts.get("more", 0)
    return Meaning(code, total, counts.get("limit"), by_words=True)
