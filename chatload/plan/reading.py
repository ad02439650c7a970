"""Understands option values one by one, and remembers every mistake in the user's words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from chatload.plan.loads import number as words_of
from chatload.plan.options import Option
from chatload.slo import Objective, read_objectives

SECRET_HEADERS = ("authorization", "x-auth", "api-key", "apikey", "access-key", "auth-key", "subscription-key",
                  "cookie", "token", "secret", "password")  # fmt: skip


@dataclass(slots=True)
class Reader:
    """Understands option values one by one and remembers every mistake."""

    values: Mapping[str, Any]
    options: Mapping[str, Option]
    mistakes: list[str] = field(default_factory=list)

    def wrong(self, name: str, value: object, remedy: str) -> None:
        """A mistake, with what was given; pages and logs show it, so never the value of a private option."""
        private = name in self.options and self.options[name].private
        self.mistakes.append(f"--{name} {'…' if private else repr(str(value)[:80])}: {remedy}")

    def text(self, name: str) -> str:
        option = self.options[name]
        value = self.values.get(option.key)
        return option.default if value is None else str(value).strip()

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

    def number(self, name: str, least: float, *, above: bool = False) -> float:
        value = self.text(name)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < least or (above and number == least):
            bound = "more than" if above else "at least"
            self.wrong(name, value, f"must be a number of {bound} {words_of(least)}")
            return max(least, 1.0)
        return number

    def whole(self, name: str, least: int) -> int:
        value = self.text(name)
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if number < least:
            self.wrong(name, value, f"must be a whole number of at least {least}")
            return least
        return number

    def file(self, name: str) -> str:
        value = self.text(name)
        if value and not Path(value).is_file():
            self.wrong(name, value, "no such file")
        return value

    def levels(self, name: str) -> tuple[int, ...]:
        value = self.text(name)
        try:
            levels = tuple(int(part) for part in value.split(","))
        except ValueError:
            levels = ()
        if not levels or min(levels) < 1:
            self.wrong(name, value, "must be whole numbers of at least 1, such as 1,2,4,8")
            return (1,)
        return levels

    def json_object(self, name: str) -> dict[str, Any]:
        value = self.text(name) or "{}"
        try:
            content = orjson.loads(value)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            self.wrong(name, value, 'must be a JSON object such as {"key": 1}')
            return {}
        return content

    def objectives(self, name: str) -> tuple[Objective, ...]:
        found, mistakes = read_objectives(self.text(name))
        self.mistakes += mistakes
        return found

    def abandonment(self, name: str) -> tuple[float, int]:
        value = self.text(name)
        if not value:
            return 0.0, 0
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%\s+after\s+(\d+)\s+tokens?", value)
        if not found or not 0 <= float(found[1]) <= 100:
            self.wrong(name, value, "must be a share and a number of tokens, such as '10% after 50 tokens'")
            return 0.0, 0
        return float(found[1]) / 100, int(found[2])

    def share(self, name: str) -> float:
        value = self.text(name)
        try:
            number = float(value[:-1]) / 100 if value.endswith("%") else float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            self.wrong(name, value, "must be a share such as 1% or 0.01")
            return 0.0
        return number
