"""What each turn of a run answers to each of its SLOs, in a few bytes a turn: a run that goes on keeps them too."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chatload.analysis.goodput import counted_by, keeps_all, value_of
from chatload.model.held_stream import HELD_SHARE
from chatload.model.metrics import PACED
from chatload.model.slo import GOOD_SHARES, Objective, limits_of_a_turn
from chatload.model.turn import Turn

NO_ANSWER = math.nan
HIDDEN = PACED | {"stalled_share"}
"""What cannot be told where a proxy holds the stream."""


class Place(NamedTuple):
    """What places a turn in its run."""

    user: int
    due_ns: int
    end_ns: int


class Answers:
    """Turns in the order they were added, those that we cut short ourselves without an answer.

    An answer to a percentile, or to the one worst turn, is the metric, turned round where more is better, so that bad
    is always high, and +inf for a failed turn; to a share and to a limit of a turn it is 1 where it holds, else 0.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.objectives = tuple(objectives)
        self._limits = limits_of_a_turn(self.objectives)
        self._of = [_answer(one, self._limits) for one in self.objectives]
        self._answers = [array("d") for _ in self.objectives]
        self._users, self._dues, self._ends = array("q"), array("q"), array("q")
        self._held = array("b")  # of a good reply: 1, 0, or -1 where nobody can tell
        self._conversations: dict[tuple[str, int], int] = {}
        self._conversation = array("q")

    def add(self, turn: Turn) -> None:
        """Add a turn."""
        self._users.append(turn.user)
        self._dues.append(turn.due_ns)
        self._ends.append(turn.end_ns)
        came_held = turn.held if turn.ok else None
        self._held.append(-1 if came_held is None else came_held)
        who = (turn.group, turn.user)
        self._conversation.append(self._conversations.setdefault(who, len(self._conversations)))
        for one, of, kept in zip(self.objectives, self._of, self._answers, strict=True):
            answer = of(turn) if turn.counts and one.applies_to(turn.name) else None
            kept.append(NO_ANSWER if answer is None else answer)

    def __len__(self) -> int:
        return len(self._users)

    @property
    def places(self) -> list[Place]:
        """When each turn was, and whose."""
        return [Place(*one) for one in zip(self._users, self._dues, self._ends, strict=True)]

    def to(self, position: int, index: Sequence[int]) -> list[float | None]:
        """The answers of the turns of `index` to the SLO at that position."""
        told = self._answers[position]
        return [None if math.isnan(told[i]) else told[i] for i in index]

    def is_hidden(self, position: int, index: Sequence[int]) -> bool:
        """Whether a proxy held so many of these replies that the SLO at that position cannot be decided."""
        asked = self.objectives[position]
        metrics = {limit.metric for limit in self._limits} if asked.metric in GOOD_SHARES else {asked.metric}
        if not metrics & HIDDEN:
            return False
        told = [one for i in index if (one := self._held[i]) >= 0]
        return sum(told) > HELD_SHARE * len(told)

    def conversations(self, index: Sequence[int]) -> list[int]:
        """A number for the conversation of each turn of `index`."""
        return [self._conversation[i] for i in index]


def answers_of(turns: Sequence[Turn], objectives: Sequence[Objective]) -> Answers:
    """The answers of finished turns."""
    found = Answers(objectives)
    for turn in turns:
        found.add(turn)
    return found


def _answer(one: Objective, limits: Sequence[Objective]) -> Callable[[Turn], float | None]:
    if one.kind in ("percentile", "extreme"):
        sign = 1.0 if one.at_most else -1.0

        def oriented(turn: Turn) -> float | None:
            if not turn.ok:
                return math.inf
            value = value_of(one, turn)
            return None if value is None else sign * value

        return oriented
    return keeps_all(limits) if one.metric == "conversation_goodput" else counted_by(one, limits)
