"""Resolves JMeter's `${…}`: user defined variables and the functions `__P` and `__property`, no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEEPEST = 20
"""Most levels of variables within variables, which ends one that refers to itself."""


@dataclass(slots=True)
class Variables:
    """Values of `${…}`, and the references that were met while resolving.

    `properties` are JMeter's own (`-Jname=value`). `defaults` collects properties that are used but
    not given; `unknown` the references that only a running JMeter could resolve.
    """

    values: dict[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def resolve(self, text: str) -> str:
        """The text with every reference replaced that can be; an unknown one stays as it is, as in JMeter.

        In a text with a reference, a backslash escapes the next `$`, `,` or backslash, as in JMeter.
        """
        return self._resolve(text, 0)

    def open_references(self, text: str) -> list[str]:
        """The references of a text that would stay as they are."""
        before = self.unknown
        self.unknown = []
        self.resolve(text)
        found, self.unknown = self.unknown, before
        return found

    def _resolve(self, text: str, depth: int) -> str:
        if "${" not in text:
            return text
        parts: list[str] = []
        at = 0
        while at < len(text):
            if text[at] == "\\" and text[at + 1 : at + 2] in ("$", ",", "\\"):
                parts.append(text[at + 1])
                at += 2
            elif text.startswith("${", at) and (end := _closing(text, at + 2)) > 0:
                parts.append(self._reference(text[at + 2 : end], depth + 1))
                at = end + 1
            else:
                parts.append(text[at])
                at += 1
        return "".join(parts)

    def _reference(self, inner: str, depth: int) -> str:
        whole = "${" + inner + "}"
        if depth > DEEPEST:
            self.unknown.append(whole)
            return whole
        if inner.startswith("__"):
            found = self._function(inner, depth)
        else:
            value = self.values.get(inner)
            found = None if value is None else self._resolve(value, depth)
        if found is None:
            self.unknown.append(whole)
            return whole
        return found

    def _function(self, inner: str, depth: int) -> str | None:
        """`__P(name,default)`, whose default is 1, and `__property(name,variable,default)`; None for others."""
        name, _, rest = inner.partition("(")
        place = {"__P": 1, "__property": 2}.get(name)
        if place is None or not rest.endswith(")"):
            return None
        given = [self._resolve(part, depth) for part in _arguments(rest[:-1])]
        asked = given[0]
        if asked in self.properties:
            return self.properties[asked]
        default = given[place] if len(given) > place else ("1" if name == "__P" else asked)
        self.defaults[asked] = default
        return default


def _closing(text: str, at: int) -> int:
    """Index of the brace that closes the reference whose content begins at `at`; -1 if there is none."""
    depth = 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _arguments(inside: str) -> list[str]:
    """The arguments of a function, split at commas outside references and brackets."""
    parts = [""]
    depth, at = 0, 0
    while at < len(inside):
        character = inside[at]
        if character == "\\" and at + 1 < len(inside):
            hidden = inside[at + 1]
            parts[-1] += hidden if hidden in "$,\\" and "${" not in inside else character + hidden
            at += 2
            continue
        depth += (character in "({") - (character in ")}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
        at += 1
    return parts
