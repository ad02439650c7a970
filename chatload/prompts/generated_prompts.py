"""Prompts of an exact number of tokens, and the beginnings that groups of users share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Message
from chatload.prompts.composed_text import Composer
from chatload.prompts.conversation import drop_oldest_of
from chatload.prompts.script import joined
from chatload.prompts.token_counts import FIRST_WORD

Asked = tuple[int | None, int | None]
"""(prompt, answer) tokens that were asked of a turn; None where nothing was."""
NOTHING_ASKED: Asked = (None, None)


class GeneratedPrompts:
    """The texts of a run; the same in every process. `words_by` draws the words, `asked(user, turn)` are lengths.

    The system message of a conversation is its own system prompt, then the prefix of its group: `prefix_tokens` tokens,
    one of `groups` texts.
    """

    def __init__(
        self,
        composer: Composer,
        asked: Callable[[int, int], Asked],
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
        """The text that a group shares; empty where none was asked."""
        if not self._prefix_tokens:
            return ""
        if group not in self._prefixes:
            tokens = self._prefix_tokens - self.composer.counts.words[FIRST_WORD]
            self._prefixes[group] = self.composer.text(tokens, f"prefix {self._words_by} {group}")
        return self._prefixes[group]

    def alone(self, user: int, turn: int, place: int) -> tuple[Message, ...]:
        """The messages of a request that is no conversation's; `place` among all of them decides on its group."""
        prefix = self.prefix(self.group_of(place))
        asks = Message("user", self.line(user, turn, "", prefix, first=True))
        return (Message("system", prefix), asks) if prefix else (asks,)

    def line(self, user: int, turn: int, system: str, prefix: str, *, first: bool) -> str:
        """The user's message of a turn, as long as asked. `system`: the conversation's own system prompt.

        Of the `first` request all tokens count, of later ones those that they add to the turn before and its answer.
        """
        asked, counts = self.asked(user, turn)[0] or 0, self.composer.counts
        beside = counts.first.get(system, 0.0) + self._tokens_of(prefix) if first else counts.later
        return self.composer.text(asked - beside, f"{self._words_by} {user} {turn}")

    def _tokens_of(self, prefix: str) -> float:
        if prefix not in self._counted:
            self._counted[prefix] = self.composer.counts.of(prefix) if prefix else 0.0
        return self._counted[prefix]


class GeneratedConversation:
    """A conversation whose every line is generated; with `grows`, each turn sends the history before it.

    After a failed turn another line is sent: no prompt is sent twice.
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
        """The reply joins the history, where it grows; the line of the next turn is made while the user thinks."""
        if self._grows and reply is not None:
            self._history += (self._line, *between, Message("assistant", answer_in(reply)))
        self._turn += 1
        self._line = self._next_line()

    def drop_oldest(self) -> int | None:
        """Forget the oldest exchange."""
        return drop_oldest_of(self._history)

    def _next_line(self) -> Message:
        first = not self._history
        text = self._prompts.line(self._user, self._turn, self._system, self._prefix, first=first)
        return Message("user", text)


def salted(messages: Sequence[Message], salt: str) -> tuple[Message, ...]:
    """The messages, the first of which begins with the salt, if there is one."""
    if not salt or not messages:
        return tuple(messages)
    first, *others = messages
    parts, more = first.more.get("content"), first.more
    if isinstance(parts, list):  # before images, too
        more = {**more, "content": [{"type": "text", "text": salt}, *parts]}
    return (msgspec.structs.replace(first, content=joined(salt, first.content), more=more), *others)
