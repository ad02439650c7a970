"""Conversations: one message again and again, or user lines that grow into a history with the server's replies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from chatload.model.turn import Message
from chatload.prompts.unique_opening import opening_of

FOLLOW_UPS = (
    "Can you say more about the second point?",
    "Could you give me an example of that?",
    "Why is that?",
    "What would you do in my place?",
    "Is there a simpler way to put it?",
    "What is the most common mistake here?",
    "Please sum up what we have so far in three sentences.",
    "And if that does not work?",
    "Which part of this matters most?",
    "How sure are you about that?",
    "What should I do first?",
    "Can you turn that into a short list?",
    "Is there anything I have forgotten to ask?",
    "How would you explain this to a child of ten?",
    "What are the arguments against it?",
    "Thanks. What would be a good next step?",
)
"""The lines of a user after the end of the script; each fits after any reply (docs/prompts.md)."""


class Conversation(Protocol):
    """The user's side of a conversation."""

    def next_messages(self) -> tuple[Message, ...]:
        """The messages of the next turn."""
        ...

    def add_reply(self, reply: str) -> None:
        """The reply to them; "" where the turn failed or brought no text."""
        ...


class RepeatedMessage:
    """Sends the same single user message each turn, as the article's JMeter plan does."""

    def __init__(self, text: str) -> None:
        self._messages = (Message("user", text),)

    def next_messages(self) -> tuple[Message, ...]:
        """The one message, the same object each time."""
        return self._messages

    def add_reply(self, reply: str) -> None:
        """Replies are not kept."""


class GrowingConversation:
    """Sends the whole history and the next user line each turn.

    A line joins the history only with its reply. After a failed or empty reply the line is withdrawn and sent again
    next time, so that roles always alternate and no line is skipped.
    """

    def __init__(self, lines: Sequence[str], first_follow_up: int = 0) -> None:
        self._lines = lines
        self._first_follow_up = first_follow_up
        self._history: list[Message] = []
        self._sent: Message | None = None

    def next_messages(self) -> tuple[Message, ...]:
        """The history so far and the user's next line."""
        self._sent = Message("user", self._line(len(self._history) // 2))
        return (*self._history, self._sent)

    def add_reply(self, reply: str) -> None:
        """The reply joins the history; a blank one withdraws the line that was sent."""
        if self._sent is not None and reply.strip():
            self._history += (self._sent, Message("assistant", reply))
        self._sent = None

    def _line(self, turn: int) -> str:
        if turn < len(self._lines):
            return self._lines[turn]
        return FOLLOW_UPS[(self._first_follow_up + turn - len(self._lines)) % len(FOLLOW_UPS)]


def conversation_for(
    user: int, seed: int, words_by: str, lines: Sequence[Sequence[str]]
) -> GrowingConversation:
    """The conversation of `user`. Scripts are assigned in the order of `seed`, each to equally many users.

    The first line begins with a sentence, drawn by `words_by`, that no other user of the run has. Without it, a server
    with a prefix cache (vLLM V1, SGLang, llama.cpp) would not compute the prompts of a second user with the same
    script; real users share no prompts.
    """
    if not lines:
        raise ValueError("no scripts to pick from")
    script = lines[_order(len(lines), seed)[user % len(lines)]]
    first_follow_up = random.Random(f"follow-ups {seed} {user}").randrange(len(FOLLOW_UPS))
    return GrowingConversation([f"{opening_of(user, words_by)} {script[0]}", *script[1:]], first_follow_up)


@lru_cache(maxsize=2)
def _order(n: int, seed: int) -> Sequence[int]:
    """The order in which n scripts are assigned."""
    order = list(range(n))
    random.Random(f"scripts {seed}").shuffle(order)
    return order
