"""Search for the most chat users that a server holds within the SLOs: levels of users, one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from chatload.loads.conversation_options import (
    CONVERSATION_OPTIONS,
    TURNS,
    ConversationLoad,
    conversation_fields,
    conversations,
)
from chatload.loads.lengths_asked import length_fields, length_pairs
from chatload.loads.load_shape import Inputs, Shape, ramp_ends
from chatload.loads.think_time import THINK_TIME, thinking
from chatload.loads.user_classes import our_users
from chatload.options.length_options import LENGTH_OPTIONS
from chatload.options.option import Number, Whole
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_AT_ONCE, Range, seconds, share, whole
from chatload.options.run_options import ALLOW_FAILED, SLO, SURE

FIRST = Whole(
    name="first",
    default="8",
    range=whole(1, MOST_AT_ONCE),
    help="chat users of the first level",
    label="Users of the first level",
)
MOST = Whole(
    name="most",
    default="1000",
    range=whole(1, MOST_AT_ONCE),
    help="most users to try",
    label="Most users to try",
)
RATE = Number(
    name="rate",
    default="10",
    range=Range(0.0001, 1_000_000),
    help="users that start each second within a level",
    label="Users that start each second",
)
PRECISION = Number(
    name="precision",
    default="5%",
    range=share(0.001, 0.5),
    help="the search ends when the answer is known to within this share",
    label="Precision of the answer",
)
WINDOWS = Whole(
    name="windows",
    default="4",
    range=whole(1, 1000),
    label="Most measurements of an undecided level",
    help="most times that an undecided level near the limit is measured",
)
SETTLE = Number(
    name="settle",
    default="10",
    range=seconds(),
    help="s from the start of the last user to the start of the measurement",
    label="Settling before measuring (s)",
)
MEASURE = Number(
    name="measure",
    default="30",
    range=seconds(0.1),
    help="s that each level is measured; up to 4 times as long where 7.5 turn cycles need it",
    label="Measuring each level (s)",
)


DRAWN_THINK_TIME = replace(THINK_TIME, default="exp 2")
"""Drawn by default: with equal answers, users who think equally long send in step, and hold fewer than real ones."""


class CapacityLoad(ConversationLoad, frozen=True, kw_only=True, tag="capacity"):
    """Levels of chat users, the first one of `first`, none above `most`."""

    called: ClassVar[str] = "a capacity search"
    sized_by: ClassVar[str] = "--first, --most and --rate"
    by_level: ClassVar[bool] = True
    in_parts: ClassVar[bool] = True
    first: int
    most: int
    rate: float
    precision: float
    windows: int
    settle_s: float
    measure_s: float
    conversation_turns: int

    @property
    def steady_s(self) -> float:
        """The measured time of each level."""
        return self.measure_s

    def sentence(self) -> str:
        """The load in words."""
        return (
            f"levels from {self.first:,} to at most {self.most:,} chat users, {self.rate:g} more each second, "
            f"{self.settle_s:g} s to settle and {self.measure_s:g} s measured each, "
            f"{self.conversation_turns} turns a conversation, {self.think_time.words('s')} after each reply"
            f"{self.beside}"
        )

    def bounds(self) -> str:
        """The precision, and the most measurements of a level."""
        again = f", undecided levels measured up to {self.windows} times" if self.windows > 1 else ""
        return f"to within {self.precision:.0%}{again}"

    @property
    def turns_planned(self) -> None:
        """Unknown before the search."""
        return None

    @property
    def connections_option(self) -> str:
        """The option that sets the number of connections, and its value."""
        return f"--most {self.most}"

    @property
    def least_connections(self) -> int:
        """The largest level that may be tried."""
        return self.most


def read(reader: OptionReader) -> tuple[CapacityLoad, Inputs]:
    """The load of the option values. Each process has one user of Locust, which runs its share of a level."""
    ours = our_users(reader)
    load = CapacityLoad(
        users=ours.users,
        users_per_s=ours.users_per_s,
        others=ours.others,
        first=reader.get(FIRST),
        most=reader.get(MOST),
        rate=reader.get(RATE),
        precision=reader.get(PRECISION),
        windows=reader.get(WINDOWS),
        settle_s=reader.get(SETTLE),
        measure_s=reader.get(MEASURE),
        conversation_turns=reader.get(TURNS),
        **thinking(reader.get(DRAWN_THINK_TIME)),
        **conversation_fields(reader),
        **length_fields(reader),
    )
    ramp_ends(reader, "rate", load.most, load.rate)
    level_by_level = "in a capacity search, which judges level by level"
    reader.refuse_unused(SURE, f"{level_by_level}: leave it out")
    reader.refuse_unused(ALLOW_FAILED, f"{level_by_level}: limit failed_share in --slo, or leave it out")
    if not reader.text(SLO):
        reader.add_mistake(SLO, "", "a capacity search needs SLOs, such as 'p95 ttft_ms <= 500'")
    held = conversations(reader)
    return load, Inputs(conversations=held.scripts, pairs=length_pairs(reader), notes=held.notes)


SHAPE = Shape(
    CapacityLoad,
    (
        FIRST,
        MOST,
        RATE,
        PRECISION,
        WINDOWS,
        SETTLE,
        MEASURE,
        TURNS,
        DRAWN_THINK_TIME,
        *CONVERSATION_OPTIONS,
        *LENGTH_OPTIONS,
    ),
    read,
)
