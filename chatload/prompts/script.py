"""The user's side of a conversation, as a file of conversations has it."""

from __future__ import annotations

import msgspec

from chatload.model.turn import Message
from chatload.prompts.message_forms import picture_message


class Script(msgspec.Struct, frozen=True):
    """The user's lines, and the system message before them; empty if there is none.

    `images[i]` are the URLs of the images of line i; lines beyond its end have none.
    """

    lines: tuple[str, ...]
    system: str = ""
    images: tuple[tuple[str, ...], ...] = ()

    def line(self, number: int) -> Message:
        """The message of line `number`."""
        message = Message("user", self.lines[number])
        urls = self.images[number] if number < len(self.images) else ()
        return picture_message(message, urls) if urls else message


def joined(*texts: str) -> str:
    """The texts that are not empty, joined by spaces."""
    return " ".join(filter(None, texts))
