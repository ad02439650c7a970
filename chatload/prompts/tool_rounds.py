"""A conversation whose model calls tools before it answers: each question takes rounds of calls and their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Message, ToolCall
from chatload.prompts.conversation import Conversation
from chatload.prompts.message_forms import calling_message, result_message


class ToolRounds:
    """Adds tool calls and their results to the questions of another conversation.

    `result(number)` is the text that a tool gives back the `number`-th time. A failed turn withdraws the question with
    all its rounds: it is asked anew.
    """

    def __init__(self, questions: Conversation, result: Callable[[int], str]) -> None:
        self._questions, self._result = questions, result
        self._asked: tuple[Message, ...] = ()
        self._between: list[Message] = []
        self._results = 0
        self.rounds = 0

    def next_messages(self) -> tuple[Message, ...]:
        """The next question; within one, the question, and the calls and results so far."""
        if not self.rounds:
            self._asked = self._questions.next_messages()
        return (*self._asked, *self._between)

    def add_calls(self, text: str, calls: Sequence[ToolCall]) -> None:
        """The model called tools, after this text: they have given their results. Its reasoning is not sent back."""
        self.rounds += 1
        self._between.append(calling_message(answer_in(text), calls))
        for call in calls:
            self._between.append(result_message(call, self._result(self._results)))
            self._results += 1

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """The answer to the question; None where the turn failed."""
        self._questions.add_reply(reply, (*self._between, *between))
        self._between.clear()
        self.rounds = 0

    def drop_oldest(self) -> int | None:
        """Forget the oldest question, with its answer; never the one that is asked now."""
        characters = self._questions.drop_oldest()
        if characters is not None:
            self._asked = self._questions.next_messages()
        return characters
