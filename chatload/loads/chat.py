"""Closed loop: users who hold conversations, turn after turn, with think time in between."""

from __future__ import annotations

import math
from typing import ClassVar

from chatload.loads.conversation_options import (
    CONVERSATION_OPTIONS,
    TURNS,
    ConversationLoad,
    conversation_fields,
    conversations,
)
from chatload.loads.load_shape import (
    RAMP,
    Inputs,
    Shape,
    locust_users,
    plural,
    ramp_ends,
)
from chatload.loads.think_time import THINK_TIME, thinking
from chatload.options.option import HangUp, HangUps, Switch
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_TOKENS, whole

THINK_FIRST = Switch(
    name="think-first",
    default="off",
    help="think before the first turn too, as JMeter's timer does",
    label="Think before the first turn too",
)
ABANDON = HangUp(
    name="abandon",
    default="",
    range=whole(1, MOST_TOKENS),
    help="share of turns in which the user hangs up, such as 10% after 50 tokens; empty: none",
    label="Users that hang up",
)


class ChatLoad(ConversationLoad, frozen=True, kw_only=True, tag="chat"):
    """Users who hold `turns` turns each and think after each reply."""

    own_users: ClassVar[bool] = True
    turns: int
    think_first: bool = False
    abandon_share: float = 0.0
    abandon_tokens: int = 0

    @property
    def hangs_up(self) -> bool:
        """With --abandon."""
        return self.abandon_share > 0

    @property
    def users_and_turns(self) -> tuple[int, int]:
        """(users, turns of each)."""
        return self.users, self.turns

    @property
    def longer(self) -> str:
        """By turns."""
        return "hold more turns a user"

    def times_as_long(self, factor: float, seconds: float | None) -> str:
        """The turns of each user."""
        turns = max(self.turns + 1, math.ceil(self.turns * factor))
        return f"about {turns:,} {plural(turns, 'turn')} a user (now {self.turns:,})"

    def sentence(self) -> str:
        """The load in words."""
        after = f"{self.think_time.words} {'before' if self.think_first else 'after'} each"
        hang_up = ""
        if self.abandon_share:
            hang_up = f", {self.abandon_share:.0%} hang up after {self.abandon_tokens} tokens"
        return (
            f"{self.users:,} {plural(self.users, 'user')} over {self.users / self.users_per_s:g} s, "
            f"{self.turns:,} {plural(self.turns, 'turn')} each, {after}{'' if self.think_first else ' reply'}{hang_up}"
        )

    def bounds(self) -> str:
        """The number of turns, and the least time they can take (with drawn think times: on average)."""
        turns = self.users * self.turns
        pauses = self.turns if self.think_first else self.turns - 1
        least_s = math.ceil(self.users / self.users_per_s + pauses * self.think_time_s)
        on_average = "" if self.think_time_drawn == "constant" else " on average"
        return f"{turns:,} {plural(turns, 'turn')}, at least {least_s:,} s{on_average}"

    @property
    def turns_planned(self) -> int:
        """users × turns."""
        return self.users * self.turns


def read(reader: OptionReader) -> tuple[ChatLoad, Inputs]:
    """The load of the option values."""
    users, users_per_s = locust_users(reader)
    ramp_ends(reader, "spawn-rate", users, users_per_s)
    hang_ups: HangUps = reader.get(ABANDON)
    load = ChatLoad(
        users=users,
        users_per_s=users_per_s,
        ramp=reader.get(RAMP),
        turns=reader.get(TURNS),
        **thinking(reader.get(THINK_TIME)),
        think_first=reader.get(THINK_FIRST),
        **conversation_fields(reader),
        abandon_share=hang_ups.share,
        abandon_tokens=hang_ups.tokens,
    )
    if load.think_time_s == 0:
        remedy = "with --think-time 0: set a think time, or leave it out"
        reader.refuse_unused(THINK_FIRST, remedy, THINK_TIME)
    held = conversations(reader)
    return load, Inputs(conversations=held.scripts, notes=held.notes)


SHAPE = Shape(
    ChatLoad,
    (TURNS, THINK_TIME, THINK_FIRST, *CONVERSATION_OPTIONS, ABANDON, RAMP),
    read,
)
