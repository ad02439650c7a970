"""What every user holds, whatever is behind it."""

from __future__ import annotations

from typing import Protocol

from chatload.model.turn import Message


class Talk(Protocol):
    """One side of a conversation: `ask` gives the messages of the next turn, `heard` takes its reply.

    A reply that failed or brought no text is heard as "".
    """

    def ask(self) -> tuple[Message, ...]: ...

    def heard(self, reply: str) -> None: ...
