"""Understands option values one by one, and remembers every mistake in the user's words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from chatload.model.slo import Objective, read_objectives
from chatload.options.declared import LOCUST_RANGES, Option
from chatload.options.ranges import Range, share

SECRET_HEADERS = ("authorization", "x-auth", "api-key", "apikey", "access-key", "auth-key", "subscription-key",
                  "cookie", "token", "secret", "password")  # fmt: skip
ON_ONE_LINE = ("server", "model", "out", "label", "certificate", "prompts", "trace", "sharegpt")
MOST_NAME, MOST_TEXT = 4096, 1_000_000
"""Longest text of an option on one line, and of any other, in characters."""
MOST_LEVELS = 100
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(slots=True)
class Reader:
    """Understands option values one by one and remembers every mistake."""

    values: Mapping[str, Any]
    options: Mapping[str, Option]
    mistakes: list[str] = field(default_factory=list)

    def wrong(self, name: str, value: object, remedy: str) -> None:
        """A mistake, with what was given; pages and logs show it, so never the value of a private option."""
        private = name in self.options and self.options[name].private
        line = f"--{name} {'…' if private else _repeated(value)}: {remedy}"
        if line not in self.mistakes:
            self.mistakes.append(line)

    def text(self, name: str) -> str:
        option = self.options[name]
        value = self.values.get(option.key)
        given = option.default if value is None else str(value).strip()
        problem = _not_text(given, MOST_NAME if name in ON_ONE_LINE else MOST_TEXT, name in ON_ONE_LINE)
        if problem:
            self.wrong(name, given, problem)
            return option.default
        return given

    def choice(self, name: str, choices: tuple[str, ...] | None = None) -> str:
        value, allowed = self.text(name), choices or self.options[name].choices
        if value not in allowed:
            self.wrong(name, value, f"must be one of {', '.join(allowed)}")
        return value

    def switch(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in ("on", "off", "true", "false"):
            self.wrong(name, value, "must be on or off")
        return value in ("on", "true")

    def number(self, name: str) -> float:
        """The number of an option with a range; its default where it is a mistake."""
        given, allowed = self.text(name), self._range(name)
        found = allowed.read(given)
        if found is None:
            self.wrong(name, given, f"must be {allowed.words}")
            return allowed.read(self.options[name].default) or allowed.least
        return found

    def whole(self, name: str) -> int:
        return int(self.number(name))

    def locusts(self, name: str, key: str) -> float | None:
        """A number of Locust's own option; None where it is not given, or a mistake."""
        given = self.values.get(key)
        if given is None or given == "":
            return None
        found = LOCUST_RANGES[name].read(given)
        if found is None:
            self.wrong(name, given, f"must be {LOCUST_RANGES[name].words}")
        return found

    def levels(self, name: str) -> tuple[int, ...]:
        value, allowed = self.text(name), self._range(name)
        parts = [part.strip() for part in value.split(",")]
        levels = [allowed.read(part) for part in parts[:MOST_LEVELS]]
        if None in levels or len(parts) > MOST_LEVELS:
            wrong = next((part for part, level in zip(parts, levels, strict=False) if level is None), value)
            one = f" ({_repeated(wrong)} is not)" if len(parts) > 1 and wrong is not value else ""
            self.wrong(name, value, f"must be at most {MOST_LEVELS} numbers such as 1,2,4,8, each "
                       f"{allowed.words}{one}")  # fmt: skip
            return (1,)
        return tuple(int(level) for level in levels if level is not None)

    def _range(self, name: str) -> Range:
        allowed = self.options[name].range
        assert allowed is not None, name
        return allowed

    def json_object(self, name: str) -> dict[str, Any]:
        value = self.text(name) or "{}"
        try:
            content = orjson.loads(value)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            self.wrong(name, value, 'must be a JSON object such as {"key": 1}')
            return {}
        long = _long_number(value)
        if long:
            self.wrong(
                name, value, f"the number {long[:20]}… has more digits than a request can carry exactly"
            )
        return content

    def objectives(self, name: str) -> tuple[Objective, ...]:
        found, mistakes = read_objectives(self.text(name))
        self.mistakes += mistakes
        return found

    def abandonment(self, name: str) -> tuple[float, int]:
        value = self.text(name)
        if not value:
            return 0.0, 0
        found = re.fullmatch(r"(\S+)\s*%\s+after\s+(\S+)\s+tokens?", value)
        of_users = share().read(f"{found[1]}%") if found else None
        tokens = self._range(name).read(found[2]) if found else None
        if of_users is None or tokens is None:
            least, most = self._range(name).least, self._range(name).most
            self.wrong(name, value, "must be a share and a number of tokens, such as '10% after 50 tokens' "
                       f"(0% to 100%, {least:,} to {most:,} tokens)")  # fmt: skip
            return 0.0, 0
        return of_users, int(tokens)


def _repeated(value: object) -> str:
    """A value for a message: what was given, on one line, its first 80 characters."""
    try:
        return repr(str(value)[:80])
    except ValueError:  # a number of more digits than Python writes down
        return "a number of thousands of digits"


def _not_text(given: str, longest: int, one_line: bool) -> str | None:
    """What is wrong with a text; None if nothing is."""
    if len(given) > longest:
        return f"{len(given):,} characters: at most {longest:,}"
    try:
        given.encode()
    except UnicodeEncodeError:
        return "must be UTF-8"
    if "\0" in given or (one_line and _CONTROL.search(given)):
        return "must be one line without control characters" if one_line else "must not hold a NUL"
    return None


def _long_number(value: str) -> str | None:
    """The first whole number of a JSON text that does not fit 64 bits: it would be sent rounded."""
    found: list[str] = []

    def read(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
            found.append(digits)
        return 0

    try:
        json.loads(value, parse_int=read)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None
