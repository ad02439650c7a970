"""The user's side of a conversation, as a file of conversations has it."""

from __future__ import annotations

import msgspec


class Script(msgspec.Struct, frozen=True):
    """The user's lines, and the system message before them; empty where there is none."""

    lines: tuple[str, ...]
    system: str = ""


def joined(*texts: str) -> str:
    """The texts that are not empty, with a blank between them."""
    return " ".join(filter(None, texts))
