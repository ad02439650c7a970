"""Suggests the known name that is most like an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Such as “ (did you mean report?)”, with the known name most like `name`; empty if none is like it."""
    found = get_close_matches(name, list(known), 1, cutoff)
    return f" (did you mean {found[0]}?)" if found else ""
