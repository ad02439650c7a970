"""One message again and again: the article's JMeter body."""

from __future__ import annotations

from chatload.model.turn import Message


class FixedPrompt:
    """A talk without memory: every turn asks the same single user message."""

    def __init__(self, text: str) -> None:
        self._messages = (Message("user", text),)

    def ask(self) -> tuple[Message, ...]:
        """The one message, the same object each time."""
        return self._messages

    def heard(self, reply: str) -> None:
        """Nothing is remembered."""
