"""What becomes of a conversation that no longer fits the model's context: --context-full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from chatload.model.errors import CONTEXT_FULL, EMPTY_REPLY, UsageError
from chatload.model.sanitize import one_line
from chatload.model.token_sources import COUNTED
from chatload.model.turn import Message, Turn
from chatload.options.run_options import FAIL, TRIM
from chatload.prompts.conversation import Conversation
from chatload.prompts.tokens import estimate_tokens_exactly
from chatload.runner.planned_lengths import AROUND_A_MESSAGE
from chatload.runner.session import Session

NEAR = 0.85
"""An empty reply to a prompt of so large a share of the limit, by our estimate, is a refusal."""
A = TypeVar("A")
"""The answer of a turn."""


class ContextEdge:
    """The edge of the context for one conversation; `conversation` is None for requests that are alone.

    A turn that does not fit ends the conversation, is asked again without the oldest exchanges, or failed, as the plan
    says. A first message that does not fit is a mistake of the scenario.
    """

    def __init__(self, session: Session, conversation: Conversation | None = None) -> None:
        self._session, self._conversation = session, conversation
        self._mode = session.plan.context_full
        self._trimmed = 0
        self._least_tokens = 0.0
        self._mistake: Turn | None = None
        self.is_over = False

    def held(
        self,
        ask: Callable[[tuple[Message, ...]], tuple[Turn, A]],
        messages: tuple[Message, ...],
        turns_left: int,
    ) -> tuple[Turn, A]:
        """Hold a turn of the conversation by `ask`, which is given the messages; again without the oldest ones.

        `turns_left`: how many turns are not held if the conversation ends here, this one among them.
        """
        turn, answer = ask(messages)
        turn = self._without_silent_refusal(turn, messages)
        if turn.code == CONTEXT_FULL and self._mode == TRIM:
            while turn.code == CONTEXT_FULL and self._drop(turn, messages):
                assert self._conversation is not None
                messages = self._conversation.next_messages()
                turn, answer = ask(messages)
                turn = self._without_silent_refusal(turn, messages)
        turn = self._without_silent_cut(turn)
        if self._trimmed:
            turn = msgspec.structs.replace(turn, trimmed=self._trimmed)
        if turn.code == CONTEXT_FULL and self._mode != FAIL:
            self.is_over = True
            turn = msgspec.structs.replace(turn, not_held=max(1, turns_left))
            if not self._trimmed and is_first(messages):
                self._mistake = turn
        return turn, answer

    @property
    def has_mistake(self) -> bool:
        """Whether `check` raises."""
        return self._mistake is not None

    def check(self) -> None:
        """UsageError after a first message that does not fit; called when the turn is recorded."""
        if self._mistake is not None:
            raise first_message_mistake(self._mistake)

    def _drop(self, turn: Turn, messages: tuple[Message, ...]) -> bool:
        """Drop the oldest exchanges: as many as the tokens told make necessary, else one. False where none is left."""
        if self._conversation is None:
            return False
        wanted = 1.0
        if turn.context_given and turn.context_limit:
            characters = sum(len(one.content) for one in messages)
            wanted = characters * (1.0 - turn.context_limit / turn.context_given)
        dropped = 0
        while dropped < wanted and (taken := self._conversation.drop_oldest()) is not None:
            self._trimmed += 1
            dropped += max(1, taken)
        self._least_tokens = 0.0
        return dropped > 0

    def _without_silent_refusal(self, turn: Turn, messages: tuple[Message, ...]) -> Turn:
        """The turn, not held or failed where the server ended its reply without a token for a prompt that does not fit.

        vLLM 0.1.x does so under 200, and its native route tells no finish reason. By --context-limit and the prompt's
        tokens, counted or estimated; where these do not tell, a reply that ends by length without a token is a failure.
        """
        if not turn.ok or turn.first_token_ns is not None or _has_counted_tokens(turn):
            return turn
        limit = self._session.plan.context_limit
        given = turn.prompt_tokens or round(
            sum(estimate_tokens_exactly(one.content) + AROUND_A_MESSAGE for one in messages)
        )
        if limit is not None and given >= (limit if turn.prompt_tokens else NEAR * limit):
            full = {"code": CONTEXT_FULL, "context_given": given, "context_limit": limit}
            return msgspec.structs.replace(turn, ok=False, detail="the server made no token", **full)
        if turn.finish != "length":
            return turn
        words = (
            "the server ended the reply by length without a token: the prompt may not fit the model's context; if so, "
            "name its tokens with --context-limit"
        )
        return msgspec.structs.replace(turn, ok=False, code=EMPTY_REPLY, detail=words)

    def _without_silent_cut(self, turn: Turn) -> Turn:
        """The turn, as one that does not fit where the server cut the prompt without a word (Ollama).

        The prompt of a turn has those of the turn before and of its answer in it: with fewer, something is missing.
        """
        if not (self._session.start.cuts_prompts and turn.ok and turn.prompt_tokens) or self._mode == FAIL:
            return turn
        answer = (turn.tokens or 0) - (turn.reasoning_tokens or 0)
        least, self._least_tokens = self._least_tokens, turn.prompt_tokens + answer / 2
        if not self._session.plan.load.grows or turn.prompt_tokens >= least:
            return turn
        if self._mode == TRIM:
            self._trimmed += 1
            return turn
        words = f"the server cut the prompt: it read {turn.prompt_tokens:,} tokens where over {least:,.0f} were sent"
        return msgspec.structs.replace(turn, ok=False, code=CONTEXT_FULL, detail=words)


def _has_counted_tokens(turn: Turn) -> bool:
    """Whether the server counted tokens of a reply that nobody saw: hidden reasoning."""
    return bool(turn.usage_tokens or (turn.token_source in COUNTED and turn.tokens))


def is_first(messages: tuple[Message, ...]) -> bool:
    """Whether a request has no exchange before its message."""
    return not any(one.role == "assistant" for one in messages)


def first_message_mistake(turn: Turn) -> UsageError:
    """Why a run ends whose first messages do not fit."""
    told = ""
    if turn.context_limit:
        given = f"{turn.context_given:,} tokens, where " if turn.context_given else ""
        told = f" ({given}{turn.context_limit:,} are allowed)"
    said = f": the server says “{one_line(turn.detail, 200)}”" if turn.detail else ""
    remedy = "give shorter prompts or a smaller --max-tokens; --context-full fail counts such turns as failed"
    return UsageError([f"a first message does not fit the model's context{told}{said}: {remedy}"])
