"""Search for the most chat users that a server serves within the SLOs: levels of users, one after another."""

from __future__ import annotations

from typing import ClassVar

from chatload.loads.conversation_options import (
    CONVERSATION_OPTIONS,
    TURNS,
    ConversationLoad,
    conversation_fields,
    conversations,
)
from chatload.loads.lengths_asked import length_fields, length_pairs
from chatload.loads.load_shape import Inputs, Shape, check_ramp
from chatload.loads.sweep import WARM_UP
from chatload.loads.think_time import RANDOM_THINK_TIME, thinking
from chatload.loads.user_classes import chat_users
from chatload.model.turn import Turn
from chatload.model.words import percent
from chatload.options.length_options import LENGTH_OPTIONS
from chatload.options.option import Choice, Integer, Number
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_AT_ONCE, Range, seconds, share, whole
from chatload.options.run_options import ALLOW_FAILED, SLO, SURE
from chatload.options.warmup import Warmup

USERS, ARRIVALS = "users", "arrivals"
CAPACITY_IN = Choice(
    name="capacity-in",
    default=USERS,
    choices=(USERS, ARRIVALS),
    help="users: users at once, who wait for replies; arrivals: conversations a minute, however slow the server is",
    label="Capacity in",
)
FIRST = Integer(
    name="first",
    default="8",
    range=whole(1, MOST_AT_ONCE),
    help="chat users of the first level; with capacity-in arrivals, here and below, conversations a minute",
    label="Users of the first level",
)
MOST = Integer(
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
WINDOWS = Integer(
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


class CapacityLoad(ConversationLoad, frozen=True, kw_only=True, tag="capacity"):
    """Levels of chat users from `first` to at most `most`; `counts` "arrivals": of conversations a minute."""

    called: ClassVar[str] = "a capacity search"
    sized_by: ClassVar[str] = "--first, --most and --rate"
    by_level: ClassVar[bool] = True
    first: int
    most: int
    rate: float
    precision: float
    windows: int
    settle_s: float
    measure_s: float
    conversation_turns: int
    counts: str = USERS

    @property
    def steady_s(self) -> float:
        """How long each level is measured."""
        return self.measure_s

    @property
    def arrives(self) -> bool:
        """True if levels are conversations that arrive each minute, not numbers of users."""
        return self.counts == ARRIVALS

    def level_words(self, level: int) -> str:
        """The name of a level: “30 users” or “30 a minute”."""
        return f"{level} a minute" if self.arrives else f"{level} users"

    def ramp_s(self, level: int) -> float:
        """s from the start of the first user of a level to that of the last."""
        return 0.0 if self.arrives else level / self.rate

    @property
    def in_parts(self) -> bool:
        """True: its levels."""
        return True

    def is_warmup(self, turn: Turn, since_s: float, warmup: Warmup) -> bool:
        """The warm-up is a level of its own, before the first."""
        return turn.group == WARM_UP

    def warmup_mistake(self, warmup: Warmup) -> str:
        """Only a time is allowed, as a level of its own: each level settles anyway."""
        return "in a capacity search give a time, such as 30s" if warmup.turns else ""

    def sentence(self) -> str:
        """The load in words."""
        what = f"chat users, {self.rate:g} more each second"
        if self.arrives:
            what = "conversations that arrive each minute"
        images = f", {self.image_use.words}" if self.image_use else ""
        return (
            f"levels from {self.first:,} to at most {self.most:,} {what}, "
            f"{self.settle_s:g} s to settle and {self.measure_s:g} s measured each, "
            f"{self.conversation_turns} turns a conversation{images}, {self.think_time.words('s')} after each reply"
            f"{self.others_words}"
        )

    def bounds(self) -> str:
        """The precision, and the most measurements of a level."""
        again = f", undecided levels measured up to {self.windows} times" if self.windows > 1 else ""
        return f"to within {percent(self.precision)}{again}"

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
        """The largest level that may be tried. 1 for arrivals: how many are open at once depends on the server."""
        return 1 if self.arrives else self.most


def read(reader: OptionReader) -> tuple[CapacityLoad, Inputs]:
    """The load of the option values. Each process has one Locust user, which runs its share of a level."""
    locust = chat_users(reader)
    load = CapacityLoad(
        users=locust.users,
        users_per_s=locust.users_per_s,
        others=locust.others,
        first=min(reader.get(FIRST), reader.get(MOST)),
        most=reader.get(MOST),
        rate=reader.get(RATE),
        precision=reader.get(PRECISION),
        windows=reader.get(WINDOWS),
        settle_s=reader.get(SETTLE),
        measure_s=reader.get(MEASURE),
        conversation_turns=reader.get(TURNS),
        counts=reader.get(CAPACITY_IN),
        **thinking(reader.get(RANDOM_THINK_TIME)),
        **conversation_fields(reader),
        **length_fields(reader),
    )
    check_ramp(reader, "rate", load.most, load.rate)
    if load.arrives:
        reader.refuse_unused(RATE, "with --capacity-in arrivals: leave it out", CAPACITY_IN)
    level_by_level = "in a capacity search, which judges level by level"
    reader.refuse_unused(SURE, f"{level_by_level}: leave it out")
    reader.refuse_unused(ALLOW_FAILED, f"{level_by_level}: limit failed_share in --slo, or leave it out")
    if not reader.text(SLO):
        reader.add_mistake(SLO, "", "a capacity search needs SLOs, such as 'p95 ttft_ms <= 500'")
    file = conversations(reader)
    inputs = Inputs(conversations=file.scripts, pairs=length_pairs(reader), notes=file.notes)
    return load.with_file(file), inputs


SHAPE = Shape(
    CapacityLoad,
    (
        CAPACITY_IN,
        FIRST,
        MOST,
        RATE,
        PRECISION,
        WINDOWS,
        SETTLE,
        MEASURE,
        TURNS,
        RANDOM_THINK_TIME,
        *CONVERSATION_OPTIONS,
        *LENGTH_OPTIONS,
    ),
    read,
)
