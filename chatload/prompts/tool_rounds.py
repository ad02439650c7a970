"""A conversation whose model calls tools before it answers: each question has rounds of calls and their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Message, ToolCall
from chatload.prompts.conversation import Conversation
from chatload.prompts.message_forms import calling_message, result_message


class ToolRounds:
    """Adds tool calls and their results to the questions of another conversation.

    `result(number)` is the result of the `number`-th call, from 0. After a failed turn the question is asked again,
    without its rounds.
    """

    def __init__(self, questions: Conversation, result: Callable[[int], str]) -> None:
        self._questions, self._result = questions, result
        self._asked: tuple[Message, ...] = ()
        self._between: list[Message] = []
        self._results = 0
        self.rounds = 0

    def next_messages(self) -> tuple[Message, ...]:
        """The next question, or the current one with its calls and results so far."""
        if not self.rounds:
            self._asked = self._questions.next_messages()
        return (*self._asked, *self._between)

    def add_calls(self, text: str, calls: Sequence[ToolCall]) -> None:
        """Add the calls of a reply with this text, and their results. Reasoning is not sent back."""
        self.rounds += 1
        self._between.append(calling_message(answer_in(text), calls))
        for call in calls:
            self._between.append(result_message(call, self._result(self._results)))
            self._results += 1

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """Add the answer to the question; None if the turn failed."""
        self._questions.add_reply(reply, (*self._between, *between))
        self._between.clear()
        self.rounds = 0

    def drop_oldest(self) -> int | None:
        """Remove the oldest question and its answer, but not the current one."""
        characters = self._questions.drop_oldest()
        if characters is not None:
            self._asked = self._questions.next_messages()
        return characters
