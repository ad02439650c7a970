"""`make test-long` runs some proofs at their full size. Elsewhere they are small, and can fail all the same."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
LONG = bool(os.environ.get("CHATLOAD_LONG"))


def size(full: T, small: T) -> T:
    """The full size in `make test-long`, the small one elsewhere."""
    return full if LONG else small
