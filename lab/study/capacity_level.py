"""One level of a capacity search in virtual time: its users' turns, as Locust's capacity users would send them."""

from __future__ import annotations

import random

from chatload.analysis.growth import Growth, level_growth
from chatload.analysis.window import Window
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_arrivals import level_arrivals
from chatload.loads.level_search import first_turn
from chatload.loads.think_time import phase_s
from chatload.model.errors import CONTEXT_FULL
from chatload.model.turn import Turn
from lab.calibration.virtual_time import Demand, Playback, Served
from lab.study.capacity_cases import SearchCase
from lab.virtual_turn import turn_of
from simulator.replies.job import draw_length

S = 1e9
LINE_TOKENS = 20
"""Tokens that a user's next message adds to the history."""
REFUSED_S = 0.005
"""TGI 0.9.3 refuses a prompt that is too long in 5 ms."""


def window(case: SearchCase, users: int, seed: str, load: CapacityLoad | None = None) -> list[Turn]:
    """The turns that fell due while a level was measured, as Locust's capacity users would send them."""
    return _Window(case, load or case.load, users, seed).turns


def window_and_growth(
    case: SearchCase, level: int, seed: str, load: CapacityLoad | None = None, took_s: float = 0.0
) -> tuple[list[Turn], Growth]:
    """The same of a level of arriving conversations, and whether they pile up."""
    played = _Window(case, load or case.load, level, seed, took_s)
    return played.turns, played.growth


class _Window:
    """One level: ramp, settling, measurement, drain."""

    def __init__(
        self, case: SearchCase, load: CapacityLoad, users: int, seed: str, took_s: float = 0.0
    ) -> None:
        self._case, self._load, self._seed = case, load, seed
        self._drawn = random.Random(seed)
        self._end_s = load.ramp_s(users) + load.settle_s + load.measure_s
        self._asked: dict[int, tuple[int, int, float]] = {}
        self._conversations = 0
        self.turns: list[Turn] = []
        self._every: list[Turn] = []
        self._play: Playback = case.server.playback()
        self._play.after = self._served
        if load.arrives:
            for at_s, begins in level_arrivals(load, users, self._end_s, seed, took_s):
                known = sum(self._answer() + LINE_TOKENS for _ in range(1, begins)) if load.history else 0
                self._begin(at_s, begins, known)
        for number in range(0 if load.arrives else users):
            begins = first_turn(number, load.conversation_turns)
            known = sum(self._answer() + LINE_TOKENS for _ in range(1, begins)) if load.history else 0
            phase = phase_s(load.think_time, f"{seed} {number}")
            self._begin(number / load.rate + phase, begins, known)
        self._play.run()

    @property
    def growth(self) -> Growth:
        """How many were there at the beginning of the measurement, and at its end."""
        end_ns = round(self._end_s * S)
        measured = Window(end_ns - round(self._load.measure_s * S), end_ns)
        return level_growth(self._every, self._load.conversation_turns, measured)

    def _answer(self) -> int:
        mean, spread, most = self._case.answer
        return min(most, draw_length(self._drawn, mean, spread))

    def _begin(self, at_s: float, turn: int, known_tokens: int) -> None:
        self._conversations += 1
        self._ask(at_s, self._conversations, turn, self._case.prompt_tokens + known_tokens)

    def _ask(self, at_s: float, user: int, turn: int, prompt_tokens: int) -> None:
        if at_s >= self._end_s:
            return
        if 0 < self._case.context < prompt_tokens:
            self._refused(at_s, user, turn, prompt_tokens)
            return
        key, answer = len(self._asked), self._answer()
        self._asked[key] = (user, turn, at_s)
        owner = hash((self._seed, user, 0 if self._load.history else turn))
        self._play.send(at_s, key, Demand(prompt_tokens, answer, text=owner))

    def _refused(self, at_s: float, user: int, turn: int, prompt_tokens: int) -> None:
        """A turn that does not fit the context."""
        left = 1 + self._load.conversation_turns - turn
        refused = _refused_turn(user, turn, at_s, 0 if self._case.fails else left)
        self._every.append(refused)
        if at_s >= self._end_s - self._load.measure_s:
            self.turns.append(refused)
        if not self._case.fails:
            self._begin(at_s, 1, 0)
            return
        next_s = at_s + REFUSED_S + self._load.think_time.drawn(f"think {self._seed} {user} {turn}")
        if left > 1:
            self._ask(next_s, user, turn + 1, prompt_tokens)
        else:
            self._begin(next_s, 1, 0)

    def _served(self, done: Served) -> None:
        user, number, due_s = self._asked[done.key]
        self._every.append(turn_of(user, number, due_s, done))
        if due_s >= self._end_s - self._load.measure_s:
            self.turns.append(self._every[-1])
        next_s = done.end_s + self._load.think_time.drawn(f"think {self._seed} {user} {number}")
        if number >= self._load.conversation_turns and self._load.arrives:
            return
        if number >= self._load.conversation_turns:
            self._begin(next_s, 1, 0)
        elif self._load.history:
            self._ask(next_s, user, number + 1, done.prompt_tokens + done.tokens + LINE_TOKENS)
        else:
            self._ask(next_s, user, number + 1, self._case.prompt_tokens)


def _refused_turn(user: int, number: int, due_s: float, not_held: int) -> Turn:
    """A turn whose prompt does not fit, as chatload would record it."""
    due_ns = round(due_s * S)
    end_ns = due_ns + round(REFUSED_S * S)
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="",
        user=user,
        turn=number,
        due_ns=due_ns,
        sent_ns=due_ns,
        end_ns=end_ns,
        ok=False,
        code=CONTEXT_FULL,
        not_held=not_held,
    )
