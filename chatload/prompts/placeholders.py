"""Placeholders in prompts and in --body, which make requests differ: `{user}`, `{random:1:100}` … (docs/prompts.md).

Only the names below are placeholders: every other brace is text. A backslash before one keeps it: `\\{user}` is sent as
`{user}`. All but `{time}` follow seed, user and turn.
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
"""A placeholder with the backslash that keeps it, if any."""
ONE_NUMBER = re.compile(rf"#\{{(?:user|turn{STEPS}|number{STEPS}|random:{NUMBER}:{NUMBER}|time(?::s)?)\}}")
"""A text of --body that is sent as a number."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
MOST_TOLD = 6
MANY_USERS = 1_000_000
"""Turns of users beyond the planned number have numbers from here on, so far apart from turn to turn."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which turn of a run a text is of: `user` from 0, `turn` from 1; `users` of the run; the seed of its words."""

    user: int
    turn: int
    users: int
    seed: object

    @property
    def number(self) -> int:
        """A number that no other turn of the run has, from 1."""
        before = (self.turn - 1) * self.users if self.user < self.users else self.turn * MANY_USERS
        return before + self.user + 1


def found_in(text: str) -> tuple[str, ...]:
    """The placeholders of a text, each once, in order."""
    if "{" not in text:
        return ()
    return tuple(dict.fromkeys(f"{{{one[2]}}}" for one in PLACEHOLDER.finditer(text) if not one[1]))


def filled_words(names: Sequence[str]) -> str:
    """The placeholders that are filled in, to go on a sentence; empty where there are none."""
    more = f" and {len(names) - MOST_TOLD:,} more" if len(names) > MOST_TOLD else ""
    return f", {', '.join(names[:MOST_TOLD])}{more} filled in each turn" if names else ""


def has_braces(text: str) -> bool:
    """Whether filling changes a text: it has placeholders, or kept ones."""
    return "{" in text and PLACEHOLDER.search(text) is not None


def kept(text: str) -> str:
    """The text so that filling it gives the text back."""
    return PLACEHOLDER.sub(lambda one: f"{one[1]}\\{{{one[2]}}}", text)


def filled(text: str, place: Place, where: str = "", now_s: Callable[[], float] = time.time) -> str:
    """The text with its placeholders filled in; `where` tells texts of the same turn apart."""
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


def in_body(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The placeholders of the texts of a JSON object. Any: somebody's own JSON."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, str):
            found.update(dict.fromkeys(found_in(value)))
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
