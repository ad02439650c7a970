"""Placeholders in prompts and in --body, which make requests differ: `{user}`, `{random:1:100}` … (docs/prompts.md).

Only the names below are placeholders; every other brace is text. A backslash escapes one: `\\{user}` is sent as
`{user}`. The values of all but `{time}` depend on seed, user and turn only.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

NUMBER = r"-?\d{1,15}"
STEPS = rf"(?::{NUMBER}:{NUMBER})?"
PLACEHOLDER = re.compile(
    rf"(\\?)\{{((?:user|turn{STEPS}|number{STEPS}|random:{NUMBER}:{NUMBER}|time(?::s)?)|"
    r"uuid|string:\d{1,4}(?::[^{}\n]{1,200})?|time:[^{}\n]{2,60})\}"
)
"""A placeholder, with the backslash that escapes it if there is one."""
ONE_NUMBER = re.compile(rf"#\{{(?:user|turn{STEPS}|number{STEPS}|random:{NUMBER}:{NUMBER}|time(?::s)?)\}}")
"""A text of --body that is sent as a number."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
MOST_SHOWN = 6
MANY_USERS = 1_000_000
"""`number` of users beyond the planned ones is turn · MANY_USERS + user + 1, above those of most plans."""


@dataclass(frozen=True, slots=True)
class Place:
    """The turn that a text belongs to: `user` from 0, `turn` from 1; `users`: planned number; `seed`: of the run."""

    user: int
    turn: int
    users: int
    seed: object

    @property
    def number(self) -> int:
        """A number that no other turn of the run has, from 1."""
        before = (self.turn - 1) * self.users if self.user < self.users else self.turn * MANY_USERS
        return before + self.user + 1


def placeholders_in(text: str) -> tuple[str, ...]:
    """The placeholders of a text, each once, in order."""
    if "{" not in text:
        return ()
    return tuple(dict.fromkeys(f"{{{one[2]}}}" for one in PLACEHOLDER.finditer(text) if not one[1]))


def filled_words(names: Sequence[str]) -> str:
    """The placeholders in words, to continue a sentence; empty if there are none."""
    more = f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    return f", {', '.join(names[:MOST_SHOWN])}{more} filled in each turn" if names else ""


def needs_filling(text: str) -> bool:
    """Whether `filled` changes the text: it has placeholders, escaped or not."""
    return "{" in text and PLACEHOLDER.search(text) is not None


def escaped(text: str) -> str:
    """The text with its placeholders escaped: `filled` restores it."""
    return PLACEHOLDER.sub(lambda one: f"{one[1]}\\{{{one[2]}}}", text)


def filled(text: str, place: Place, where: str = "", now_s: Callable[[], float] = time.time) -> str:
    """The text with its placeholders filled in; `where`: names the text within its turn, for other random values."""
    drawn = 0

    def value(one: re.Match[str]) -> str:
        nonlocal drawn
        if one[1]:
            return f"{{{one[2]}}}"
        drawn += 1
        return _value(
            one[2], place, f"placeholder {place.seed} {place.user} {place.turn} {where} {drawn}", now_s
        )

    return PLACEHOLDER.sub(value, text)


def _value(inner: str, place: Place, seed: str, now_s: Callable[[], float]) -> str:
    name, _, rest = inner.partition(":")
    if name == "user":
        return str(place.user + 1)
    if name in ("turn", "number"):
        first, step = map(int, rest.split(":")) if rest else (1, 1)
        return str(first + ((place.turn if name == "turn" else place.number) - 1) * step)
    if name == "time":
        now = now_s()
        if not rest:
            return str(int(now * 1000))
        return str(int(now)) if rest == "s" else datetime.fromtimestamp(now).astimezone().strftime(rest)
    draw = random.Random(seed)
    if name == "uuid":
        return str(UUID(int=draw.getrandbits(128), version=4))
    if name == "random":
        return str(draw.randint(*sorted(map(int, rest.split(":")))))
    length, _, letters = rest.partition(":")
    return "".join(draw.choices(letters or LETTERS, k=int(length)))


def placeholders_in_body(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The placeholders in the texts of a JSON object. Any: the user's own JSON."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, str):
            found.update(dict.fromkeys(placeholders_in(value)))
        elif isinstance(value, Mapping | list):
            for one in value.values() if isinstance(value, Mapping) else value:
                look(one)

    look(body)
    return tuple(found)


def filled_body(body: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The JSON object with the placeholders of its texts filled in; `"#{random:1:9}"` becomes a number."""

    def fill(value: Any, where: str) -> Any:
        if isinstance(value, str) and "{" in value:
            if ONE_NUMBER.fullmatch(value):
                return int(filled(value[1:], place, where))
            return filled(value, place, where)
        if isinstance(value, Mapping):
            return {name: fill(one, f"{where}/{name}") for name, one in value.items()}
        if isinstance(value, list):
            return [fill(one, f"{where}/{at}") for at, one in enumerate(value)]
        return value

    return {name: fill(value, name) for name, value in body.items()}
