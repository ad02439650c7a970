"""A conversation whose user messages have generated images before their text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.model.turn import Message
from chatload.prompts.conversation import Conversation
from chatload.prompts.message_forms import picture_message


class WithImages:
    """Adds images to each user message. Messages of the history keep their images.

    `images(number)`: URLs for the `number`-th user message, from 0. Without a growing history each turn has new ones.
    """

    def __init__(self, texts: Conversation, images: Callable[[int], Sequence[str]], *, grows: bool) -> None:
        self._texts, self._images, self._grows = texts, images, grows
        self._made: dict[int, Message] = {}
        self._turn = self._dropped = 0

    def next_messages(self) -> tuple[Message, ...]:
        """The messages of the next turn."""
        number = self._dropped if self._grows else self._turn
        messages: list[Message] = []
        for message in self._texts.next_messages():
            if message.role == "user":
                messages.append(self._pictured(number, message))
                number += 1
            else:
                messages.append(message)
        return tuple(messages)

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Add the reply."""
        self._texts.add_reply(reply, between)
        if not self._grows:
            self._made.clear()
            self._turn += 1

    def drop_oldest(self) -> int | None:
        """Remove the oldest exchange, with its images."""
        characters = self._texts.drop_oldest()
        self._dropped += characters is not None
        return characters

    def _pictured(self, number: int, message: Message) -> Message:
        if number not in self._made:
            self._made[number] = picture_message(message, self._images(number))
        return self._made[number]
