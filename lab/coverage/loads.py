"""Loads played on the simulator's engine in virtual time; each gives the turns that chatload would have recorded."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate

from chatload.model.turn import Turn
from lab.calibration.replay import Target
from lab.calibration.virtual_time import Demand, Playback, Served
from lab.virtual_turn import turn_of
from simulator.engine.profiles import load_profile
from simulator.replies.job import draw_length

Law = Callable[[random.Random], float]
"""Draws a length (tokens) or a time (s)."""
LINE_TOKENS = 20
"""What a user's next line adds to a history."""


def always(value: float) -> Law:
    """No chance."""
    return lambda _: value


def exponential(mean: float) -> Law:
    """Exponential with that mean."""
    return lambda drawn: drawn.expovariate(1.0 / mean)


def lognormal(mean: float, spread: float, most: int = 2000) -> Law:
    """Lengths as the simulator draws them: log-normal with this mean and standard deviation, at least 1."""
    return lambda drawn: min(most, draw_length(drawn, mean, spread))


def pareto(shape: float, least: float, most: float) -> Law:
    """Heavy-tailed: P(more than x) = (least / x) ** shape, cut at `most`."""
    return lambda drawn: min(most, least * drawn.paretovariate(shape))


@dataclass(frozen=True, slots=True)
class Chat:
    """A closed loop: `users` come at `spawn_rate` a second, hold `turns` turns and think after each reply."""

    users: int = 100
    turns: int = 10
    answer: Law = field(default=lognormal(100, 60))
    prompt: Law = field(default=always(10))
    think_s: Law = field(default=always(2.0))
    history: bool = False
    spawn_rate: float = 10.0

    def play(self, play: Playback, drawn: random.Random) -> list[Turn]:
        """The turns of one run, in the order of their ends."""
        turns: list[Turn] = []
        asked: dict[int, float] = {}

        def ask(user: int, number: int, due_s: float, known: int) -> None:
            prompt = known + max(1, round(self.prompt(drawn)))
            answer = max(1, round(self.answer(drawn)))
            key = user * 1000 + number
            asked[key] = due_s
            play.send(due_s, key, Demand(prompt, answer, text=user if self.history else None))

        def served(done: Served) -> None:
            user, number = divmod(done.key, 1000)
            turns.append(turn_of(user, number, asked[done.key], done))
            if number < self.turns:
                known = done.prompt_tokens + done.tokens + LINE_TOKENS if self.history else 0
                ask(user, number + 1, done.end_s + self.think_s(drawn), known)

        play.after = served
        for user in range(self.users):
            ask(user, 1, user / self.spawn_rate, 0)
        play.run()
        return turns


@dataclass(frozen=True, slots=True)
class Arrivals:
    """An open loop: `requests` at `rate` a second; gaps are gamma of that shape (1: Poisson, below: bursts).

    `schedule`: a seed that makes the arrivals of every run the same; None: each run draws its own.
    """

    requests: int
    rate: float
    shape: float = 1.0
    answer: Law = field(default=lognormal(100, 60))
    prompt: Law = field(default=always(10))
    schedule: int | None = None

    def play(self, play: Playback, drawn: random.Random) -> list[Turn]:
        """The turns of one run: every request is a user of its own."""
        arrivals = drawn if self.schedule is None else random.Random(self.schedule)
        scale = 1.0 / (self.rate * self.shape)
        dues_s = list(accumulate(arrivals.gammavariate(self.shape, scale) for _ in range(self.requests)))
        for key, due_s in enumerate(dues_s):
            play.send(
                due_s, key, Demand(max(1, round(self.prompt(drawn))), max(1, round(self.answer(drawn))))
            )
        return [turn_of(done.key, 1, dues_s[done.key], done) for done in play.run()]


def slower(target: Target, factor: float) -> Target:
    """The same server with every cost of a step times `factor`."""
    cost = target.cost or load_profile(target.profile).cost
    times = [one.name for one in fields(cost) if one.name.endswith(("_ms", "_us", "_ns"))]
    return replace(target, cost=replace(cost, **{name: getattr(cost, name) * factor for name in times}))
