"""A copy of a fact with some fields changed, for dataclasses and msgspec structs alike."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import msgspec

from chatload.model.packed_turns import PackedTurn

T = TypeVar("T")


def replace(fact: T, **changes: Any) -> T:
    """The fact with `changes`."""
    if isinstance(fact, PackedTurn):
        return replace(fact.unpacked(), **changes)
    if isinstance(fact, msgspec.Struct):
        return msgspec.structs.replace(fact, **changes)
    return dataclasses.replace(fact, **changes)  # type: ignore[type-var]
