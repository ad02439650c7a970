"""A `Turn` as one JSON line, and back. The fields are described in docs/record-format.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any

from chatload.model.turn import Turn

_FIELDS = fields(Turn)
_TUPLES = ("gaps_us", "event_tokens", "marks")
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float | None": (float, int, type(None)),
    "bool": (bool,),
    "tuple[int, ...]": (list, tuple),
    "tuple[int, ...] | None": (list, tuple, type(None)),
    "tuple[str, ...]": (list, tuple),
}
_KIND_OF = {f.name: _KINDS[str(f.type)] for f in _FIELDS}
_ITEM_OF = {f.name: str if "str" in str(f.type) else int for f in _FIELDS if f.name in _TUPLES}
_REQUIRED = frozenset(f.name for f in _FIELDS if f.default is MISSING and f.default_factory is MISSING)
_ALWAYS = _REQUIRED | {
    "reply_id", "sent_ns", "first_byte_ns", "first_token_ns", "last_token_ns", "tokens", "token_source", "ok", "code",
}  # fmt: skip

_WRITTEN = [(f.name, f.default, f.name in _ALWAYS) for f in _FIELDS]
_values = attrgetter(*(f.name for f in _FIELDS))


def to_line(turn: Turn) -> dict[str, Any]:
    """The turn as a JSON object; fields that hold their default are left out, the promised ones never."""
    line: dict[str, Any] = {"kind": "turn"}
    for (name, default, always), value in zip(_WRITTEN, _values(turn), strict=True):
        if always or value != default:
            line[name] = value
    return line


_SHARED: dict[int, int] = {}
"""Gaps repeat: one object for each number keeps 100,000 turns in a third of the memory."""
_SHARED_AT_MOST = 2_000_000


def _shared(numbers: list[int]) -> tuple[int, ...]:
    if len(_SHARED) > _SHARED_AT_MOST:
        _SHARED.clear()
    return tuple(map(_SHARED.setdefault, numbers, numbers))


def from_line(line: Mapping[str, Any]) -> Turn:
    """The turn of a journal line; unknown keys are ignored, so newer journals can be read.

    KeyError where one is missing that must be there, TypeError where one is not what it must be.
    """
    known = {f.name: line[f.name] for f in _FIELDS if f.name in line}
    missing = _REQUIRED - known.keys()
    if missing:
        raise KeyError(", ".join(sorted(missing)))
    for name, value in known.items():
        if not isinstance(value, _KIND_OF[name]):
            raise TypeError(f"{name} must be {' or '.join(kind.__name__ for kind in _KIND_OF[name])}")
    for name in _TUPLES:
        if known.get(name) is not None:
            if not set(map(type, known[name])) <= {_ITEM_OF[name]}:
                raise TypeError(f"{name} must hold {_ITEM_OF[name].__name__} only")
            known[name] = tuple(known[name])
    if "gaps_us" in known:
        known["gaps_us"] = _shared(known["gaps_us"])
    return Turn(**known)
