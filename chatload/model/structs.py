"""A field definition shared by the structs of this package."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def always(default: T) -> T:
    """A struct field that is written even if it equals its default.

    `omit_defaults` leaves out plain defaults, but writes those from a factory.
    """
    found: T = msgspec.field(default_factory=lambda: default)
    return found
