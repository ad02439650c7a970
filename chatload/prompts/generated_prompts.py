"""Prompts of an exact number of tokens, and the prefixes that groups of users share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Message
from chatload.prompts.composed_text import Composer
from chatload.prompts.conversation import drop_oldest_of
from chatload.prompts.script import joined
from chatload.prompts.token_counts import FIRST_WORD

AskedTokens = tuple[int | None, int | None]
"""(prompt, answer) tokens that the options set for a turn; None for no length."""
NOTHING_ASKED: AskedTokens = (None, None)


class GeneratedPrompts:
    """The texts of a run; the same in every process. `words_by` seeds the words; `asked(user, turn)`: their lengths.

    The system message of a conversation is its own system prompt and the prefix of its group, which is one of `groups`
    texts of `prefix_tokens` tokens.
    """

    def __init__(
        self,
        composer: Composer,
        asked: Callable[[int, int], AskedTokens],
        words_by: str,
        prefix_tokens: int,
        groups: int,
    ) -> None:
        self.composer, self.asked = composer, asked
        self._words_by, self._prefix_tokens, self._groups = words_by, prefix_tokens, groups
        self._prefixes: dict[int, str] = {}
        self._counted: dict[str, float] = {}

    def group_of(self, user: int) -> int:
        """The group of a user, or of a request of an open loop."""
        return user % self._groups

    def prefix(self, group: int) -> str:
        """The text that a group shares; empty without --shared-prefix-tokens."""
        if not self._prefix_tokens:
            return ""
        if group not in self._prefixes:
            tokens = self._prefix_tokens - self.composer.counts.words[FIRST_WORD]
            self._prefixes[group] = self.composer.text(tokens, f"prefix {self._words_by} {group}")
        return self._prefixes[group]

    def single_request(self, user: int, turn: int, place: int) -> tuple[Message, ...]:
        """The messages of a request outside a conversation; `place` is its number, by which it has its group."""
        prefix = self.prefix(self.group_of(place))
        message = Message("user", self.line(user, turn, "", prefix, first=True))
        return (Message("system", prefix), message) if prefix else (message,)

    def line(self, user: int, turn: int, system: str, prefix: str, *, first: bool) -> str:
        """The user's message of a turn. `system`: the conversation's own system prompt.

        The length is that of the whole prompt of the `first` request, and of what a later one adds to the turn before
        and its answer.
        """
        asked, counts = self.asked(user, turn)[0] or 0, self.composer.counts
        other_tokens = counts.first.get(system, 0.0) + self._tokens_of(prefix) if first else counts.later
        return self.composer.text(asked - other_tokens, f"{self._words_by} {user} {turn}")

    def _tokens_of(self, prefix: str) -> float:
        if prefix not in self._counted:
            self._counted[prefix] = self.composer.counts.of(prefix) if prefix else 0.0
        return self._counted[prefix]


class GeneratedConversation:
    """A conversation of generated lines; with `grows`, each turn sends the history.

    After a failed turn another line is sent, so that no prompt is sent twice.
    """

    def __init__(self, prompts: GeneratedPrompts, user: int, system: str, *, grows: bool) -> None:
        self._prompts, self._user, self._system, self._grows = prompts, user, system, grows
        self._prefix = prompts.prefix(prompts.group_of(user))
        text = joined(system, self._prefix)
        self._before: list[Message] = [Message("system", text)] if text else []
        self._history: list[Message] = []
        self._turn = 1
        self._line = self._next_line()

    def next_messages(self) -> tuple[Message, ...]:
        """The history so far and the next line."""
        return (*self._before, *self._history, self._line)

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Add the reply to the history, if it grows, and make the next line now, while the user thinks."""
        if self._grows and reply is not None:
            self._history += (self._line, *between, Message("assistant", answer_in(reply)))
        self._turn += 1
        self._line = self._next_line()

    def drop_oldest(self) -> int | None:
        """Remove the oldest exchange."""
        return drop_oldest_of(self._history)

    def _next_line(self) -> Message:
        first = not self._history
        text = self._prompts.line(self._user, self._turn, self._system, self._prefix, first=first)
        return Message("user", text)


def salted(messages: Sequence[Message], salt: str) -> tuple[Message, ...]:
    """The messages with `salt`, unless it is empty, at the beginning of the first."""
    if not salt or not messages:
        return tuple(messages)
    first, *others = messages
    parts, more = first.more.get("content"), first.more
    if isinstance(parts, list):  # before images, too
        more = {**more, "content": [{"type": "text", "text": salt}, *parts]}
    return (msgspec.structs.replace(first, content=joined(salt, first.content), more=more), *others)
