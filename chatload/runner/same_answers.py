"""The same prompts asked of an idle server and under load, at temperature 0: whether their answers differ.

They are asked by the process that starts the run, one at a time: twice before the first user comes, which tells whether
the server repeats itself at all, and once while the load is on.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatload.engine.api_key import ApiKey
from chatload.engine.client import ChatClient, TurnSpec
from chatload.engine.clock import Clock
from chatload.engine.reader import Reader
from chatload.engine.target import FoundRoute, Target, target_for
from chatload.loads.plan import Plan
from chatload.model.journal_lines import JournalLine, SameAnswerLine
from chatload.model.turn import Delta, Message, TurnRequest
from chatload.prompts.lengths import composed_prompt
from chatload.protocols.registry import DIALECTS
from chatload.runner.messages import Start

PROMPT_TOKENS, ANSWER_TOKENS = 40, 64
IDLE_TIMES = 2
USER = 10**9
"""Turns of no user of the run: they are in no journal."""


class SameAnswers:
    """Asks, compares, and tells by `emit` a line for each prompt that was asked under load."""

    def __init__(
        self,
        target: Target,
        count: int,
        request: TurnRequest,
        emit: Callable[[JournalLine], None],
        clock: Clock,
    ) -> None:
        self._client, self._request, self._emit, self._clock = ChatClient(target), request, emit, clock
        self._count = count
        self._idle: list[list[tuple[str, ...]]] = []

    def ask_idle(self) -> int:
        """Ask each prompt of the idle server; how many had an answer each time."""
        self._idle = [
            [pieces for _ in range(IDLE_TIMES) if (pieces := self._ask(number)[0])]
            for number in range(self._count)
        ]
        return sum(len(answers) == IDLE_TIMES for answers in self._idle)

    def ask_under_load(self, after_s: float) -> None:
        """Ask each prompt again, from then on, one after another."""
        try:
            self._clock.sleep(after_s)
            self._compare()
        finally:
            self._client.close()

    def _compare(self) -> None:
        for number, answers in enumerate(self._idle):
            if len(answers) < IDLE_TIMES:
                continue
            pieces, tokens, code = self._ask(number)
            found = first_difference(answers[0], pieces)
            line = SameAnswerLine(
                at_ns=self._clock.now_ns(),
                number=number,
                idle_differs=answers[0] != answers[1],
                differs=None if code else found is not None,
                event=None if code or found is None else found[0],
                character=None if code or found is None else found[1],
                tokens=tokens,
                code=code,
            )
            self._emit(line)

    def _ask(self, number: int) -> tuple[tuple[str, ...], int, str | None]:
        """(the pieces of text of the reply, its tokens, the code of a failure) of the prompt with this number."""
        pieces: list[str] = []

        def take(delta: Delta) -> None:
            if delta.text or delta.reasoning:
                pieces.append(delta.text or delta.reasoning)

        text = composed_prompt(PROMPT_TOKENS, ANSWER_TOKENS, f"same answers {number}").text
        request = msgspec.structs.replace(self._request, messages=(Message("user", text),))
        spec = TurnSpec(USER, number + 1, self._clock.now_ns(), request, on_delta=take)
        turn, _ = self._client.run_turn(spec)
        return tuple(pieces) if turn.ok else (), turn.tokens or 0, None if turn.ok else turn.failure_code


def first_difference(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[int, int] | None:
    """(event, character) from 1 at which two replies differ, the event by the pieces of the first; None where equal.

    Only the text counts, however it was cut into events.
    """
    a, b = "".join(one), "".join(other)
    if a == b:
        return None
    at = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    read = 0
    for event, piece in enumerate(one, start=1):
        read += len(piece)
        if at < read:
            return event, at + 1
    return len(one) + 1, at + 1


def same_answers(
    plan: Plan, start: Start, key: ApiKey, emit: Callable[[JournalLine], None], clock: Clock
) -> SameAnswers:
    """For a run that begins: answers at temperature 0, of at most 64 tokens."""
    reader = Reader(kernel_stamps=False, polls=False)
    route = FoundRoute(start.path, start.skipped, start.run_id)
    target = target_for(plan, DIALECTS[start.dialect], reader, "same answers", key, route)
    request = TurnRequest(
        messages=(),
        model=start.model,
        max_tokens=min(plan.max_tokens or ANSWER_TOKENS, ANSWER_TOKENS),
        temperature=0.0,
        ask_usage=plan.ask_usage,
        extra={**start.counting, **plan.body},
    )
    return SameAnswers(target, plan.same_answers, request, emit, clock)
