"""A chat user whose model calls tools: each question is several turns, until the model answers."""

from __future__ import annotations

import msgspec

from chatload.engine.answer import Answer
from chatload.engine.client import TurnSpec
from chatload.model.turn import Message, Turn
from chatload.prompts.conversation import Conversation
from chatload.prompts.lengths import composed_prompt
from chatload.prompts.tool_rounds import ToolRounds
from chatload.runner.chat_behaviour import ChatBehaviour, reply_kept
from chatload.runner.session import Session

ANSWER = "answer"
"""The name of the turn with the answer; those before it are "round 1", "round 2", …."""


class AgentBehaviour(ChatBehaviour):
    """Asks, gives the results of the tools that the model calls after their latency, and thinks after the answer.

    In the last turn of a question the model may not call tools any more (`tool_choice` "none").
    """

    def __init__(self, session: Session, system_prompt: str | None = None) -> None:
        super().__init__(session, system_prompt)
        assert self._load.tool_use is not None
        self._use = self._load.tool_use
        self._question_ns: int | None = None

    def _begun(self) -> Conversation:
        self._rounds = ToolRounds(super()._begun(), self._result)
        return self._rounds

    def _result(self, number: int) -> str:
        """What a tool gives back: no two results are the same, as no two pages are."""
        seed = f"tool {self.session.words_by} {self.number} {number}"
        return composed_prompt(self._use.result_tokens, 0, seed).text

    def _spec(self, messages: tuple[Message, ...]) -> TurnSpec:
        spec = super()._spec(messages)
        last = self._rounds.rounds >= self._use.rounds
        choice = {"tool_choice": "none" if last else "required"} if last or self._use.required else {}
        tools = {"tools": list(self.session.planned.inputs.tools), **choice}
        request = msgspec.structs.replace(spec.request, extra={**tools, **spec.request.extra})
        return msgspec.structs.replace(spec, request=request, keeps_body=True)

    def _take(self, turn: Turn, answer: Answer) -> tuple[Turn, int]:
        rounds, dialect = self._rounds.rounds, self.session.target.dialect
        if not rounds:
            self._question_ns = turn.sent_ns
        calls = dialect.tool_calls(answer.body) if turn.ok and rounds < self._use.rounds else ()
        if calls:
            self._rounds.add_calls(answer.text, calls)
            latency = f"tool {self.session.plan.drawn_by} {self.number} {self._turn}"
            return self._named(turn, f"round {rounds + 1}"), round(self._use.latency_s.drawn(latency) * 1e9)
        kept = reply_kept(turn, answer.text)
        self._rounds.add_reply(kept)
        if turn.ok:
            turn = msgspec.structs.replace(turn, tool_rounds=rounds, question_ns=self._question_ns)
        name = ANSWER if turn.ok or rounds >= self._use.rounds else f"round {rounds + 1}"
        return self._named(turn, name), self._think_ns()

    def _named(self, turn: Turn, name: str) -> Turn:
        return msgspec.structs.replace(turn, name=self.session.name_of(self.number, name))
