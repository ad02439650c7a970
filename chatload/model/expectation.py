"""Parses --expect, which states what replies must be: "ask: contains 'Paris'; json @schema.json; tokens 5..500"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from chatload.model.slo import is_part

Kind = Literal["contains", "matches", "json", "tokens"]
MOST_TOKENS = 1_000_000
_FORM = re.compile(
    r"""(?:(?P<name>[^:'"]*):)?\s*(?P<negated>not\s+)?(?P<kind>contains|matches|json|tokens)\b\s*(?P<rest>.*)""",
    re.DOTALL,
)
_QUOTED = re.compile(r"""'([^']+)'|"([^"]+)\"""")
_TOKENS = re.compile(r"(?:([0-9]{1,7})\s*\.\.\s*([0-9]{1,7}))|(<=|>=)\s*([0-9]{1,7})")
HINT = 'must be like "contains \'Paris\'", "not matches \'sorry|cannot\'", "json @schema.json" or "tokens 5..500"'


class Expectation(msgspec.Struct, frozen=True):
    """One check of a reply. It applies to turns named `name`, or to all where that is "".

    contains: the reply contains `text`. matches: the pattern `text` is found in it. json: it is JSON, and valid by
    `schema` if a file `text` is given. tokens: it has `least` to `most` tokens. `negated` inverts the first two.
    `schema` is the user's own JSON: Any.
    """

    words: str
    kind: Kind
    text: str = ""
    negated: bool = False
    least: int = 0
    most: int = MOST_TOKENS
    name: str = ""
    schema: Any = None

    def applies_to(self, turn_name: str) -> bool:
        """Whether the check applies to turns of this name, which contains `name` as whole parts between "/"."""
        return not self.name or is_part(self.name, turn_name)


def read_expectations(given: str) -> tuple[tuple[Expectation, ...], list[str]]:
    """(checks, mistakes) of a text of checks separated by `;`; a mistake is one line."""
    found: list[Expectation] = []
    mistakes: list[str] = []
    parts = _parts(given)
    if parts is None:
        return (), [f"--expect {given[:80]!r}: a quotation mark is not closed"]
    for text in parts:
        read = _read(text)
        if isinstance(read, str):
            mistakes.append(f"--expect {text[:80]!r}: {read}")
        elif read not in found:
            found.append(read)
    return tuple(found), mistakes


def schema_files(given: str) -> list[str]:
    """The schema files that a text of checks names."""
    return [one.text for one in read_expectations(given)[0] if one.kind == "json" and one.text]


def turn_names(expectations: Iterable[Expectation]) -> list[str]:
    """The turn names that checks are restricted to, sorted."""
    return sorted({one.name for one in expectations if one.name})


def _parts(given: str) -> list[str] | None:
    """The text split at semicolons outside quotation marks; None if a quotation mark is not closed."""
    parts, quote = [""], ""
    for letter in given:
        if letter == ";" and not quote:
            parts.append("")
            continue
        if letter == quote:
            quote = ""
        elif letter in "'\"" and not quote:
            quote = letter
        parts[-1] += letter
    return None if quote else [part.strip() for part in parts if part.strip()]


def _read(text: str) -> Expectation | str:
    form = _FORM.fullmatch(text)
    if form is None:
        return HINT
    name, kind, rest = " ".join((form["name"] or "").split()), form["kind"], form["rest"].strip()
    words = " ".join(text.split())[:200]
    if form["name"] is not None and not name:
        return "the name of turns must stand before the colon"
    if kind == "tokens":
        found = _tokens(rest, words, name)
        return (
            "has no negation: give the other ends"
            if form["negated"] and not isinstance(found, str)
            else found
        )
    if kind == "json":
        if form["negated"] or (rest and not rest.startswith("@")) or rest == "@":
            return 'must be "json" or "json @FILE", a JSON schema'
        return Expectation(words, "json", rest[1:].strip(), name=name)
    quoted = _QUOTED.fullmatch(rest)
    if quoted is None:
        return f"{kind} must be followed by a text in quotation marks, such as {kind} 'Paris'"
    wanted = quoted[1] or quoted[2]
    if kind == "matches":
        try:
            re.compile(wanted)
        except (re.error, OverflowError, RecursionError) as error:
            return f"no regular expression: {error}"
        return Expectation(words, "matches", wanted, bool(form["negated"]), name=name)
    return Expectation(words, "contains", wanted, bool(form["negated"]), name=name)


def _tokens(rest: str, words: str, name: str) -> Expectation | str:
    found = _TOKENS.fullmatch(rest)
    if found is None:
        return "tokens must be like tokens 5..500, tokens >= 5 or tokens <= 500"
    least, most = 0, MOST_TOKENS
    if found[1]:
        least, most = int(found[1]), int(found[2])
    elif found[3] == "<=":
        most = int(found[4])
    else:
        least = int(found[4])
    if least > most:
        return f"the smaller one comes first: tokens {most}..{least}"
    return Expectation(words, "tokens", least=least, most=most, name=name)
