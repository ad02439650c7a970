"""Conversations that arrive: new users arrive at a rate, hold their turns with think time in between, and leave."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from chatload.loads.arrival_options import (
    ARRIVALS,
    BURSTINESS,
    RATE_STEPS,
    spaced_words,
    spacing,
    steps_words,
)
from chatload.loads.arrival_times import Spacing
from chatload.loads.conversation_options import (
    CONVERSATION_OPTIONS,
    TURNS,
    ConversationLoad,
    conversation_fields,
    conversations,
)
from chatload.loads.lengths_asked import length_fields, length_pairs
from chatload.loads.load_shape import Inputs, Shape
from chatload.loads.rate_steps import RateStep, group_at
from chatload.loads.think_time import RANDOM_THINK_TIME, thinking
from chatload.loads.user_classes import chat_users
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.options.length_options import LENGTH_OPTIONS
from chatload.options.option_reader import OptionReader
from chatload.options.run_options import LOAD_SEED, SEED, load_seed_of
from chatload.options.warmup import Warmup

POISSON_ARRIVALS = replace(ARRIVALS, default="poisson")
RATES = replace(
    RATE_STEPS,
    default="1/s 60s",
    help="conversations that begin, one rate after another: '1/s 60s, 5/s 2m', a ramp '5..1/s 60s'; also /min and /h",
)


class VisitorsLoad(ConversationLoad, frozen=True, kw_only=True, tag="visitors"):
    """`visitors` users arrive at the rates of `rate_steps`, however slow the server is; each holds `turns` turns."""

    called: ClassVar[str] = "a load of visitors"
    sized_by: ClassVar[str] = "--rate-steps and --turns"
    connections_words: ClassVar[str] = "visitors at once"
    arrive: ClassVar[bool] = True
    visitors: int
    turns: int
    rate_steps: tuple[RateStep, ...]
    arrivals: str = "poisson"
    burstiness: float = 1.0

    @property
    def in_parts(self) -> bool:
        """True with several rates."""
        return len(self.rate_steps) > 1

    @property
    def spacing(self) -> Spacing:
        """The distribution of the intervals between arrivals."""
        return Spacing(self.arrivals, self.burstiness)

    @property
    def arriving_s(self) -> float:
        """How long visitors arrive, in s."""
        return sum(step.seconds for step in self.rate_steps)

    def group_at(self, due_ns: int) -> str:
        """The group of a turn due `due_ns` after the start: its step, if there are several."""
        return group_at(self.rate_steps, due_ns)

    def is_warmup(self, turn: Turn, since_s: float, warmup: Warmup) -> bool:
        """By time only."""
        return since_s < warmup.seconds

    def warmup_mistake(self, warmup: Warmup) -> str:
        """Only a time is allowed: without their first turns, conversations would not be typical."""
        if warmup.turns:
            return "with visitors give a time, such as 30s: long enough for the first ones to be gone"
        return "no visitor arrives later: none would count" if warmup.seconds >= self.arriving_s else ""

    def sentence(self) -> str:
        """The load in words."""
        images = f", {self.image_use.words}" if self.image_use else ""
        return (
            f"{plural(self.visitors, 'visitor')} at {steps_words(self.rate_steps)}, "
            f"{spaced_words(self.arrivals, self.burstiness)}, "
            f"{plural(self.turns, 'turn')} each{images}, "
            f"{self.think_time.words('s')} after each reply{self.others_words}"
        )

    def bounds(self) -> str:
        """The number of turns, and how long visitors arrive."""
        return f"{self.turns_planned:,} turns, arrivals for {self.arriving_s:g} s"

    @property
    def turns_planned(self) -> int:
        """visitors × turns."""
        return self.visitors * self.turns

    @property
    def least_connections(self) -> int:
        """1: how many are open at once depends on the server."""
        return 1

    @property
    def connections_option(self) -> str:
        """The option that sets the number of connections."""
        return "--rate-steps"


def read(reader: OptionReader) -> tuple[VisitorsLoad, Inputs]:
    """The load of the option values."""
    locust = chat_users(reader)
    steps, spaced = reader.get(RATES), spacing(reader, POISSON_ARRIVALS)
    if not steps:
        reader.add_mistake(RATES, "", "must be a rate and a time such as '1/s 60s'")
        steps = RATES.parse(RATES.default)
    seed = load_seed_of(reader.get(SEED), reader.get(LOAD_SEED))
    load = VisitorsLoad(
        users=locust.users,
        users_per_s=locust.users_per_s,
        others=locust.others,
        visitors=len(spaced.stepped(steps, seed)),
        turns=reader.get(TURNS),
        rate_steps=steps,
        arrivals=spaced.law,
        burstiness=spaced.burstiness,
        **thinking(reader.get(RANDOM_THINK_TIME)),
        **conversation_fields(reader),
        **length_fields(reader),
    )
    file = conversations(reader)
    inputs = Inputs(conversations=file.scripts, pairs=length_pairs(reader), notes=file.notes)
    return load.with_file(file), inputs


SHAPE = Shape(
    VisitorsLoad,
    (RATES, POISSON_ARRIVALS, BURSTINESS, TURNS, RANDOM_THINK_TIME, *CONVERSATION_OPTIONS, *LENGTH_OPTIONS),
    read,
)
