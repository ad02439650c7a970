"""Conversations: one repeated message, separate messages of a file, or a history that grows with the replies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Message
from chatload.prompts.filled_lines import Filler
from chatload.prompts.script import Script, joined
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

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Add the text of the reply, "" if it had none; None if the turn failed.

        `between`: tool calls and their results before the reply.
        """
        ...

    def drop_oldest(self) -> int | None:
        """Remove the oldest exchange, but no system message; returns its characters, None if there is none."""
        ...


class RepeatedMessage:
    """Sends the same user message each turn, as the article's JMeter plan does, after a system message if given."""

    def __init__(self, text: str, system: str = "") -> None:
        self._messages = (*_system(system), Message("user", text))

    def next_messages(self) -> tuple[Message, ...]:
        """The messages, the same object each time."""
        return self._messages

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Ignore the reply."""

    def drop_oldest(self) -> None:
        """None: there is no history."""


class SeparateMessages:
    """Sends another message of a file each turn, without history; failed ones are not sent again.

    Turn t of user u, both from 0, sends the first line of script (u + t · step) mod n, in the order of the file, as
    JMeter's threads take the lines of a CSV Data Set; `step` is the number of users. `system` replaces the scripts'
    own system messages; `prefix` is appended. `filler` fills in placeholders.
    """

    def __init__(
        self,
        scripts: Sequence[Script],
        user: int,
        step: int,
        system: str | None = None,
        *,
        prefix: str = "",
        filler: Filler | None = None,
    ) -> None:
        self._scripts = scripts
        self._filler, self._turn = filler, 0
        self._system = system
        self._prefix = prefix
        self._next = user
        self._step = step

    def next_messages(self) -> tuple[Message, ...]:
        """The system message, if any, and the next message."""
        script = self._scripts[self._next % len(self._scripts)]
        self._next += self._step
        system = script.system if self._system is None else self._system
        if self._filler is not None:
            self._turn += 1
            system = self._filler.system(system)
            script = self._filler.script(script, self._turn)
        return (*_system(joined(system, self._prefix)), script.line(0))

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Ignore the reply."""

    def drop_oldest(self) -> None:
        """None: there is no history."""


def _system(text: str) -> tuple[Message, ...]:
    return (Message("system", text),) if text else ()


class GrowingConversation:
    """Sends the whole history and the next user line each turn, after the system message if there is one.

    A line is added to the history only with its reply. After a failed turn it is sent again, so that roles always
    alternate and no line is skipped. A reply without an answer is added as an empty message. Reasoning is never sent
    back.
    """

    def __init__(self, script: Script, first_follow_up: int = 0) -> None:
        self._script = script
        self._system = _system(script.system)
        self._first_follow_up = first_follow_up
        self._history: list[Message] = []
        self._sent: Message | None = None
        self._answered = 0

    def next_messages(self) -> tuple[Message, ...]:
        """The history so far and the user's next line."""
        self._sent = self._line(self._answered)
        return (*self._system, *self._history, self._sent)

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Add the line and the answer in the reply to the history; with None, the line is sent again."""
        if self._sent is not None and reply is not None:
            self._history += (self._sent, *between, Message("assistant", answer_in(reply)))
            self._answered += 1
        self._sent = None

    def drop_oldest(self) -> int | None:
        """Remove the oldest exchange."""
        return drop_oldest_of(self._history)

    def _line(self, turn: int) -> Message:
        beyond = turn - len(self._script.lines)
        if beyond < 0:
            return self._script.line(turn)
        return Message("user", FOLLOW_UPS[(self._first_follow_up + beyond) % len(FOLLOW_UPS)])


class TracedHistory:
    """A conversation whose lines are given one by one, from a trace."""

    def __init__(self, system: str) -> None:
        self._system = _system(system)
        self._history: list[Message] = []
        self._line = Message("user", "")
        self._with_history = True

    def messages_with(self, line: str, *, with_history: bool) -> tuple[Message, ...]:
        """The messages of a turn with this line."""
        self._line, self._with_history = Message("user", line), with_history
        return self.next_messages()

    def next_messages(self) -> tuple[Message, ...]:
        """The history so far, if it is sent, and the line."""
        return (*self._system, *(self._history if self._with_history else ()), self._line)

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Add the line and the answer to the history, unless the turn failed (None)."""
        if reply is not None and self._with_history:
            self._history += (self._line, *between, Message("assistant", answer_in(reply)))

    def drop_oldest(self) -> int | None:
        """Remove the oldest exchange."""
        return drop_oldest_of(self._history) if self._with_history else None


def drop_oldest_of(history: list[Message]) -> int | None:
    """Remove the oldest exchange: a user message and all up to the next one. Returns its characters, None if empty."""
    if not history:
        return None
    end = next((place for place, one in enumerate(history) if place and one.role == "user"), len(history))
    dropped, history[:end] = history[:end], []
    return sum(len(one.content) for one in dropped)


def conversation_for(
    user: int,
    seed: int,
    words_by: str,
    scripts: Sequence[Script],
    system: str | None = None,
    *,
    prefix: str = "",
    filler: Filler | None = None,
) -> GrowingConversation:
    """The conversation of `user`. Scripts are shuffled by `seed` and assigned in turn, each to equally many users.

    `system` replaces the script's own system message; `prefix` is appended to it. `filler` fills in placeholders:
    line n is that of turn n.

    The first line begins with a sentence that no other user of the run has; `words_by` seeds it. Without it, a server
    with a prefix cache (vLLM V1, SGLang, llama.cpp) would not compute the prompts of a second user with the same
    script, while real users share no prompts.
    """
    if not scripts:
        raise ValueError("no scripts to pick from")
    script, first_follow_up = script_of(user, seed, scripts)
    own = script.system if system is None else system
    if filler is not None:
        script, own = filler.script(script), filler.system(own)
    lines = (f"{opening_of(user, words_by)} {script.lines[0]}", *script.lines[1:])
    return GrowingConversation(Script(lines, joined(own, prefix), script.images), first_follow_up)


def script_of(user: int, seed: int, scripts: Sequence[Script]) -> tuple[Script, int]:
    """(script of `user`, index of the first follow-up after its lines)."""
    script = scripts[_order(len(scripts), seed)[user % len(scripts)]]
    return script, random.Random(f"follow-ups {seed} {user}").randrange(len(FOLLOW_UPS))


@lru_cache(maxsize=2)
def _order(n: int, seed: int) -> Sequence[int]:
    """The order in which n scripts are assigned."""
    order = list(range(n))
    random.Random(f"scripts {seed}").shuffle(order)
    return order
