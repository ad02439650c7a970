"""A sweep: fixed numbers of requests in flight, level after level, without pauses."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from chatload.loads.lengths_asked import length_fields, length_pairs
from chatload.loads.load_shape import Inputs, Load, Shape
from chatload.loads.user_classes import chat_users
from chatload.model.turn import Turn
from chatload.options.length_options import (
    ANSWER_TOKENS,
    CACHE,
    PREFIX_GROUPS,
    PROMPT_TOKENS,
    SHARED_PREFIX_TOKENS,
)
from chatload.options.option import Integer, Integers
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_AT_ONCE, MOST_REQUESTS, whole
from chatload.options.warmup import Warmup

LEVELS = Integers(
    name="levels",
    default="1,2,4,8",
    range=whole(1, MOST_AT_ONCE),
    most_numbers=100,
    help="numbers of requests in flight, one after another",
    label="Requests in flight, level after level",
)
ROUNDS = Integer(
    name="rounds",
    default="2",
    range=whole(1, MOST_REQUESTS),
    help="requests that each of them makes, one after another",
    label="Rounds a level",
)
SWEEP_PROMPT_TOKENS = replace(PROMPT_TOKENS, default="32")
SWEEP_ANSWER_TOKENS = replace(ANSWER_TOKENS, default="256")


WARM_UP = "warm-up"
"""The group of turns before the first level."""


def group_of(level: int) -> str:
    """The group of the turns of a level."""
    return f"level {level}"


class SweepLoad(Load, frozen=True, kw_only=True, tag="sweep"):
    """`levels` requests in flight, one level after another, `rounds` requests each."""

    one_process: ClassVar[bool] = True
    connections_words: ClassVar[str] = "requests at once"
    called: ClassVar[str] = "a sweep"
    sized_by: ClassVar[str] = "--levels and --rounds"
    new_prompts: ClassVar[bool] = True
    levels: tuple[int, ...]
    rounds: int

    @property
    def in_parts(self) -> bool:
        """True: its levels."""
        return True

    def is_warmup(self, turn: Turn, since_s: float, warmup: Warmup) -> bool:
        """The first rounds of each level, or a time before the first level."""
        return turn.group == WARM_UP or turn.turn <= warmup.turns

    def warmup_mistake(self, warmup: Warmup) -> str:
        """Not all rounds may be warm-up."""
        mistake = f"each level has {self.rounds} --rounds in all: none would count"
        return mistake if warmup.turns >= self.rounds else ""

    def sentence(self) -> str:
        """The load in words."""
        levels = ", ".join(map(str, self.levels))
        return f"{levels} requests in flight, level after level, {self.rounds} each{self.others_words}"

    def bounds(self) -> str:
        """The number of turns."""
        return f"{self.turns_planned:,} turns"

    @property
    def turns_planned(self) -> int:
        """sum(levels) × rounds."""
        return sum(self.levels) * self.rounds

    @property
    def pauses(self) -> bool:
        """False: the end of a turn must be noticed at once."""
        return False

    @property
    def least_connections(self) -> int:
        """The largest level."""
        return max(self.levels)

    @property
    def connections_option(self) -> str:
        """The option that sets the number of connections, and its value."""
        return f"--levels {max(self.levels)}"


def read(reader: OptionReader) -> tuple[SweepLoad, Inputs]:
    """The load of the option values. One Locust user keeps all requests in flight."""
    locust = chat_users(reader)
    if locust.users != 1:
        remedy = "a sweep has one user, who keeps --levels requests in flight: leave it at 1"
        reader.add_named_mistake("users", repr(str(locust.users)), remedy)
    for option in (SWEEP_PROMPT_TOKENS, SWEEP_ANSWER_TOKENS):
        if not reader.text(option):
            reader.add_mistake(option, "", "a sweep needs a length, such as 256")
    load = SweepLoad(
        users_per_s=locust.users_per_s,
        others=locust.others,
        levels=reader.get(LEVELS),
        rounds=reader.get(ROUNDS),
        **length_fields(reader, SWEEP_PROMPT_TOKENS, SWEEP_ANSWER_TOKENS),
    )
    return load, Inputs(pairs=length_pairs(reader, SWEEP_PROMPT_TOKENS))


SHAPE = Shape(
    SweepLoad,
    (
        LEVELS,
        ROUNDS,
        SWEEP_PROMPT_TOKENS,
        SWEEP_ANSWER_TOKENS,
        SHARED_PREFIX_TOKENS,
        PREFIX_GROUPS,
        CACHE,
    ),
    read,
)
