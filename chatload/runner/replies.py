"""What a user class of one's own gets for each turn it holds: the reply, and the say in whether it is a good one."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import msgspec

from chatload.engine.answer import Answer
from chatload.model.errors import CODES, TurnError, UsageError
from chatload.model.metrics import e2e_ms, tpot_ms, ttft_ms
from chatload.model.turn import ToolCall, Turn
from chatload.protocols.tool_calls import tool_calls_of

_NO_CODE = re.compile(r"[^0-9A-Za-z_.-]+")
MOST_CODE = 40


class TurnFailure(TurnError):
    """Raised in `on_delta`: hang up, and count the turn as failed, under a code of the scenario's own."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(own_code(code), text or code)


def own_code(words: str) -> str:
    """The code of a failure that a scenario names: its words with "_" between them, `too_short`.

    UsageError for one that chatload itself uses: it would no longer mean what docs/metrics.md says.
    """
    code = _NO_CODE.sub("_", words.strip()).strip("_")[:MOST_CODE]
    if not code or code in CODES:
        raise UsageError([f"failure {words[:80]!r}: give a code of your own, such as 'too short'"])
    return code


class ReplyError(NamedTuple):
    """Why a turn failed: its code (docs/metrics.md, or one of `failure`) and what was seen.

    Of "context_full": the tokens that the prompt came to, and those allowed, where the server tells them.
    """

    code: str
    detail: str
    given_tokens: int | None = None
    limit_tokens: int | None = None


class Reply:
    """The reply to one turn. A turn counts as it stands when the user's task ends, or its next turn begins."""

    def __init__(self, turn: Turn, answer: Answer) -> None:
        self._turn, self._answer = turn, answer
        self._is_recorded = False

    def __repr__(self) -> str:
        return f"Reply({self.code or 'ok'}, {self.text[:40]!r})"

    @property
    def turn(self) -> Turn:
        """Every instant and count of the turn, as the journal has it."""
        return self._turn

    @property
    def ok(self) -> bool:
        """True for a good turn."""
        return self._turn.ok

    @property
    def text(self) -> str:
        """The answer, without reasoning; of a failed turn what came of it."""
        return self._answer.text

    @property
    def reasoning(self) -> str:
        """The reasoning before the answer, where the server shows it."""
        return self._answer.reasoning

    @cached_property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model calls; only of a turn that was given `tools`."""
        return tool_calls_of(self._answer.body) if self._answer.body else ()

    @property
    def finish(self) -> str | None:
        """The server's finish reason, such as "stop", "length" or "tool_calls"."""
        return self._turn.finish

    @property
    def tokens(self) -> int | None:
        """Tokens of the reply that a reader could see."""
        return self._turn.tokens

    @property
    def code(self) -> str | None:
        """Why the turn failed: a code of docs/metrics.md, or one of `failure`; None for a good turn."""
        return self._turn.code

    @property
    def detail(self) -> str | None:
        """What was seen of the failure, in the server's words or those of `failure`."""
        return self._turn.detail

    @property
    def error(self) -> ReplyError | None:
        """Why the turn failed, or was not held; None for a good turn."""
        turn = self._turn
        if turn.ok:
            return None
        return ReplyError(turn.failure_code, turn.detail or "", turn.context_given, turn.context_limit)

    @property
    def ttft_ms(self) -> float | None:
        """Time from sent to the first token; None where there is none."""
        return ttft_ms(self._turn)

    @property
    def tpot_ms(self) -> float | None:
        """Time per token after the first; None where there is none."""
        return tpot_ms(self._turn)

    @property
    def e2e_ms(self) -> float | None:
        """Time from sent to the last token; None where there is none."""
        return e2e_ms(self._turn)

    def failure(self, code: str, text: str = "") -> None:
        """Count the turn as failed under this code; `text` says what was wrong. A failed turn stays as it failed.

        UsageError once the turn is in the journal: after the user's next turn, or another task.
        """
        failed = TurnFailure(code, text)
        if self._is_recorded:
            words = f"failure {failed.code!r}: the turn is in the journal already: say so before the user's next turn"
            raise UsageError([words])
        if self._turn.ok:
            self._turn = msgspec.structs.replace(self._turn, ok=False, code=failed.code, detail=failed.detail)

    def record(self, write: Callable[[Turn], None]) -> None:
        """Have the turn written as it stands; the user class does so."""
        if not self._is_recorded:
            self._is_recorded = True
            write(self._turn)
