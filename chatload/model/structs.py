"""What the typed facts of this package share."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def always(default: T) -> T:
    """A field with a default that is written even where it holds it.

    `omit_defaults` leaves out plain defaults; a default from a factory it writes.
    """
    found: T = msgspec.field(default_factory=lambda: default)
    return found
