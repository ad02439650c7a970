"""Resolves JMeter's `${…}`: user defined variables, and functions with a constant value during a run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chatload.interop.jmx.changing import OPEN, placeholder_of

_GROOVY = re.compile(
    r"""props\.get(?:Property)?\(\s*["']([^"']+)["']\s*(?:,\s*["']([^"']*)["']\s*)?\)"""
    r"""(?:\s*\?:\s*["']?([^"'?]*?)["']?)?(?:\s*(?:as\s+\w+|\.to\w+\(\)))?"""
)
"""`__groovy` that only reads a property, with or without a default."""
_SECRET = re.compile("key|token|secret|passw|auth|cookie|credential", re.I)
DEEPEST = 20
"""Most nested variables; one that refers to itself ends here."""


@dataclass(slots=True)
class Variables:
    """Values of `${…}`, and what was found while resolving.

    `properties`: JMeter's own (`-Jname=value`). `defaults`: properties that are used but not given, and their
    defaults. `unknown`: references that only a running JMeter could resolve.
    """

    values: dict[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables that are used but not set, and their defaults."""
    changing: dict[str, str] = field(default_factory=dict)
    """Variables that elements of the plan change in each iteration, as marked placeholders (changing.py)."""
    once: set[str] = field(default_factory=set)
    """User defined variables with a function that became a placeholder; JMeter would compute them once."""
    fills: bool = False
    """Whether functions with changing values become placeholders: in bodies."""

    def resolve_body(self, text: str) -> str:
        """`resolve` with marked placeholders for changing values."""
        self.fills = True
        try:
            return self.resolve(text)
        finally:
            self.fills = False

    def resolve(self, text: str) -> str:
        """The text with its references replaced; unknown ones stay unchanged, as in JMeter.

        In a text with a reference, a backslash escapes the next `$`, `,` or backslash, as in JMeter.
        """
        return self._resolve(text, 0)

    def open_references(self, text: str, *, in_body: bool = False) -> list[str]:
        """The references of a text, or of one of a body, that cannot be resolved."""
        before = self.unknown
        self.unknown = []
        (self.resolve_body if in_body else self.resolve)(text)
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
            elif text.startswith("${", at) and (end := closing(text, at + 2)) > 0:
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
            if value is None and self.fills and inner in self.changing:
                return self.changing[inner]
            found = None if value is None else self._resolve(value, depth)
            if found is not None and OPEN in found:
                self.once.add(inner)
        if found is None:
            self.unknown.append(whole)
            return whole
        return found

    def _function(self, inner: str, depth: int) -> str | None:
        """The value of a function; None if it cannot be resolved."""
        name, _, rest = inner.partition("(")
        if name.strip() == "__groovy" and rest.endswith(")"):
            return self._groovy(rest[:-1])
        reads = _FUNCTIONS.get(name.strip())
        if reads is None and self.fills and (rest.endswith(")") or not rest):
            return placeholder_of(
                name.strip(), [self._resolve(part, depth) for part in _arguments(rest[:-1])]
            )
        if reads is None or not (rest.endswith(")") or not rest):
            return None
        return reads(self, [self._resolve(part, depth).strip() for part in _arguments(rest[:-1])])

    def property_of(self, name: str, default: str | None) -> str | None:
        """A property of -J, or its default, which is added to `defaults`."""
        if name in self.properties:
            return self.properties[name]
        if default is not None:
            self.defaults[name] = default
        return default

    def _groovy(self, script: str) -> str | None:
        """A script that only reads a property: `props.get("threads") ?: "20"`."""
        found = _GROOVY.fullmatch(script.strip())
        if found is None:
            return None
        name, inner, outer = found.groups()
        return self.property_of(name, outer if outer is not None else inner)


def _get(given: list[str], place: int) -> str | None:
    return given[place] if len(given) > place else None


def _environment(variables: Variables, given: list[str]) -> str | None:
    """`__env(name,variable,default)`. A secret is not read, as it would be written to the scenario."""
    name = given[0]
    if _SECRET.search(name):
        return None
    value = os.environ.get(name)
    default = _get(given, 2)
    if value is None and default is not None:
        variables.environment[name] = default
    return default if value is None else value


_FUNCTIONS: Mapping[str, Callable[[Variables, list[str]], str | None]] = {
    "__P": lambda of, given: of.property_of(
        given[0], _get(given, 1) or ("1" if _get(given, 1) is None else "")
    ),
    "__property": lambda of, given: of.property_of(
        given[0], given[0] if _get(given, 2) is None else given[2]
    ),
    "__env": _environment,
    "__escapeJson": lambda of, given: (
        None if "${" in given[0] else json.dumps(given[0], ensure_ascii=False)[1:-1]
    ),
    "__V": lambda of, given: of.values.get(given[0], _get(given, 1)),
}
"""Functions that are resolved: `__P(name,default)`, whose default is 1, `__property(name,variable,default)`, whose
default is the name, `__env`, `__escapeJson` and `__V(variable,default)`."""


def how_to_give(reference: str) -> str:
    """How to give the value of a reference that cannot be resolved."""
    inner = reference[2:-1]
    if inner.startswith("__"):
        return "only a running JMeter can compute it: write its value into the plan"
    return f"give its value, -V {inner}=…"


def closing(text: str, at: int) -> int:
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
            escaped = inside[at + 1]
            parts[-1] += escaped if escaped in "$,\\" and "${" not in inside else character + escaped
            at += 2
            continue
        depth += (character in "({") - (character in ")}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
        at += 1
    return parts
