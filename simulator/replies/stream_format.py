"""One endpoint's stream as data, and payload templates with slots.

A template is the event's payload with slots: constants of the reply (`<id> <model> <created> <fp>`) and
values of the event (`<text> <tok> <index> <ids> <usage> <now>`); those of an ending also have `<finish>
<prompt> <count> <total>` and whatever the server's `final_values` brings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from simulator.text.tokens import EOS, Token

_SLOT = re.compile(r"<([a-z_]+)>")


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """The events of one endpoint's stream (reference/protocols.md 9.8).

    `role_when`: never | engine (before it) | first (with the first token). `finish` None: the reason rides on
    the last token (`last`). `usage_when`: never | asked (an event of its own) | asked-on-finish (fills the last
    event's `<usage>`) | replaces-finish. `done_when`: never | end | every-step. `pack`: none | ends (role with
    the first token, finish with usage) | all (the events of one wake-up in one HTTP chunk).
    `<usage>` is `usage_running` where a count stands, else `usage_blank` (`usage_asked_blank` if asked for).
    `reasoning_key`: the field of reasoning, in place of `content`; "": the server shows none.
    `engine_dead_words`: those of an error for which the engine's process has died, where they differ.
    `token_object(token, text)` fills `<tok>`, for servers that describe each token.
    """

    token: str
    role: str | None = None
    role_when: str = "never"
    last: str | None = None
    finish: str | None = None
    usage: str | None = None
    usage_when: str = "asked"
    usage_blank: str = ""
    usage_asked_blank: str = ""
    usage_running: str = ""
    done_when: str = "end"
    prefix: str = "data: "
    end: str = "\n\n"
    pack: str = "none"
    ascii_only: bool = False
    one_token_events: bool = False
    skip_blank: bool = False
    eos: Token = EOS
    leading_space: bool = False
    reasoning_key: str = ""
    error: str = ""
    error_done: bool = True
    error_words: str = "Internal server error"
    engine_dead_words: str = ""
    finish_words: Mapping[str, str] | None = None
    content_type: str = "text/event-stream; charset=utf-8"
    head_extra: tuple[str, ...] = ()
    token_object: Callable[[Token, bytes], bytes] | None = None


@cache
def _split(source: str) -> list[str]:
    """Literals and slot names, alternating."""
    return _SLOT.split(source)


class EventTemplate:
    """An event split at its slots; constants are filled in once per reply."""

    __slots__ = ("_parts", "_places")

    def __init__(self, source: str, constants: Mapping[str, str]) -> None:
        pieces = _split(source)
        parts: list[bytes] = []
        self._places: list[tuple[int, str]] = []
        pending = ""
        for place, piece in enumerate(pieces):
            if place % 2 == 0:
                pending += piece
            elif piece in constants:
                pending += constants[piece]
            else:
                parts.append(pending.encode())
                self._places.append((len(parts), piece))
                parts.append(b"")
                pending = ""
        parts.append(pending.encode())
        self._parts = parts

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The event with these values."""
        parts = self._parts[:]
        for place, slot in self._places:
            parts[place] = values[slot]
        return b"".join(parts)

    def around(self, slot: str) -> tuple[bytes, bytes, int]:
        """The bytes before and after the only slot, and their length. ValueError if it is not the only one."""
        (place, name), *more = self._places
        if more or name != slot:
            raise ValueError(f"not the only slot: {slot}")
        before, after = b"".join(self._parts[:place]), b"".join(self._parts[place + 1 :])
        return before, after, len(before) + len(after)

    @property
    def slots(self) -> set[str]:
        """The values that `fill` needs."""
        return {slot for _, slot in self._places}
