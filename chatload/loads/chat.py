"""Closed loop: users who hold conversations, turn after turn, with think time in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import msgspec

from chatload.loads.conversation_options import (
    CONVERSATION_OPTIONS,
    HISTORY,
    PROMPT,
    PROMPTS,
    PROMPTS_COLUMN,
    TURNS_OR_ENDLESS,
    ConversationLoad,
    conversation_fields,
    conversations,
)
from chatload.loads.image_options import IMAGE_OPTIONS
from chatload.loads.lengths_asked import length_fields, length_pairs
from chatload.loads.load_shape import (
    RAMP,
    SHORT_PAUSE_S,
    Inputs,
    Shape,
    check_ramp,
)
from chatload.loads.think_time import THINK_TIME, thinking
from chatload.loads.tool_options import TOOL_OPTIONS, ToolUse, read_tool_use
from chatload.loads.user_classes import USER_CURVE, UserClass, chat_users, user_class
from chatload.model.words import percent, plural
from chatload.options.length_options import LENGTH_OPTIONS, PROMPT_TOKENS, SHARED_PREFIX_TOKENS
from chatload.options.option import HangUpOption, HangUps, Option, Switch
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_TOKENS, whole

THINK_FIRST = Switch(
    name="think-first",
    default="off",
    help="think before the first turn too, as JMeter's timer does",
    label="Think before the first turn too",
)
ABANDON = HangUpOption(
    name="abandon",
    default="",
    tokens=whole(1, MOST_TOKENS),
    help="share of turns in which the user hangs up, such as 10% after 50 tokens; empty: none",
    label="Users that hang up",
)


NOT_FOR_OWN_TASKS: tuple[Option[object], ...] = (
    THINK_FIRST,
    HISTORY,
    PROMPT,
    PROMPTS,
    PROMPTS_COLUMN,
    ABANDON,
    *TOOL_OPTIONS,
    *IMAGE_OPTIONS,
    PROMPT_TOKENS,
    SHARED_PREFIX_TOKENS,
)
"""Options without effect on users with tasks of their own."""


class ChatLoad(ConversationLoad, frozen=True, kw_only=True, tag="chat"):
    """Users who hold `turns` turns each (0: until they are stopped) and think after each reply.

    `classes`: the user classes with tasks of their own; each has its own number of turns and think time.
    `user_curve`: the name of a LoadTestShape that sets the number of users; `users` is its first number.
    """

    own_users: ClassVar[bool] = True
    turns: int
    think_first: bool = False
    abandon_share: float = 0.0
    abandon_tokens: int = 0
    tool_use: ToolUse | None = None
    classes: tuple[UserClass, ...] = ()
    user_curve: str = ""

    @property
    def hangs_up(self) -> bool:
        """True with --abandon."""
        return self.abandon_share > 0

    def system_prompts(self, inputs: Inputs) -> tuple[str, ...]:
        """Those of the user classes, if there are any."""
        own = dict.fromkeys(one.system_prompt for one in self.classes)
        return tuple(own) if own and not inputs.conversations else super().system_prompts(inputs)

    @property
    def own_tasks(self) -> bool:
        """True if some users have tasks of their own."""
        return bool(self.classes)

    @property
    def users_and_turns(self) -> tuple[int, int] | None:
        """(users, turns of each), if all users hold the same fixed number of turns."""
        found = {one.turns for one in self.classes if one.users} or {self.turns}
        if self.user_curve:
            return None
        return (self.users, min(found)) if len(found) == 1 and min(found) else None

    @property
    def longer_run(self) -> str:
        """More turns a user, where their number is fixed."""
        return super().longer_run if self.turns_planned is None else "hold more turns a user"

    def times_as_long(self, factor: float, seconds: float | None) -> str:
        """In turns a user, where their number is fixed."""
        if self.users_and_turns is None:
            return super().times_as_long(factor, seconds)
        now = self.users_and_turns[1]
        turns = max(now + 1, math.ceil(now * factor))
        return f"about {plural(turns, 'turn')} a user (now {now:,})"

    def sentence(self) -> str:
        """The load in words."""
        users = f"{plural(self.users, 'user')} over {self.users / self.users_per_s:g} s"
        if self.user_curve:
            users = f"users as {self.user_curve} says"
        if self.others:
            users += f", beside {plural(self.others, 'other')}"
        if self.classes:
            counts = not self.user_curve
            return f"{users}: {', '.join(one.words if counts else one.does for one in self.classes)}"
        after = f"{self.think_time.words('s')} {'before' if self.think_first else 'after'} each"
        hang_up = ""
        if self.abandon_share:
            hang_up = f", {percent(self.abandon_share)} hang up after {self.abandon_tokens} tokens"
        turns = f"{plural(self.turns, 'turn')} each" if self.turns else "until they are stopped"
        if self.tool_use is not None:
            turns += f" ({self.tool_use.words})"
        if self.image_use is not None:
            turns += f", {self.image_use.words}"
        return f"{users}, {turns}, {after}{'' if self.think_first else ' reply'}{hang_up}"

    def for_manifest(self) -> Self:
        """The load without the values of its classes' headers."""
        classes = [
            msgspec.structs.replace(one, headers=dict.fromkeys(one.headers, "…"), route=one.route.hidden())
            for one in self.classes
        ]
        return msgspec.structs.replace(self, classes=tuple(classes))

    def bounds(self) -> str:
        """The number of turns, and the least time they can take (with drawn think times: on average)."""
        turns = self.turns_planned
        if turns is None:
            return "no end but --run-time, a shape or Ctrl-C"
        if self.classes:
            return plural(turns, "turn")
        pauses = self.turns if self.think_first else self.turns - 1
        waits_s, drawn = pauses * self.think_time.average, self.think_time_drawn != "constant"
        if self.tool_use is not None:
            tools_s, thinks_s = self.tool_use.latency_s, self.think_time
            between = self.turns - self.turns // self.tool_use.turns_a_question
            waits_s = between * tools_s.average + (pauses - between) * thinks_s.average
            if not self.tool_use.required:
                waits_s = pauses * min(tools_s.average, thinks_s.average)
            drawn = drawn or tools_s.law != "constant"
        least_s = math.ceil(self.users / self.users_per_s + waits_s)
        on_average = " on average" if drawn else ""
        return f"{plural(turns, 'turn')}, at least {least_s:,} s{on_average}"

    @property
    def turns_planned(self) -> int | None:
        """Sum of users × turns; None if some users go on until they are stopped, or their number is not known."""
        if self.user_curve:
            return None
        each = [(one.users, one.turns) for one in self.classes] or [(self.users, self.turns)]
        if any(users and not turns for users, turns in each):
            return None
        return sum(users * turns for users, turns in each)

    def turns_with(self, edits: Sequence[int]) -> int | None:
        """Each added user holds `turns` turns. None if users were removed: how many turns they held is not known."""
        steps = [self.users, *edits]
        if not edits or self.classes or self.others or steps != sorted(steps) or self.turns_planned is None:
            return super().turns_with(edits)
        return steps[-1] * self.turns

    @property
    def follows_user_curve(self) -> bool:
        """True with a LoadTestShape."""
        return bool(self.user_curve)

    @property
    def until_stopped(self) -> bool:
        """True if users go on until they are stopped, and no LoadTestShape stops them."""
        return self.turns_planned is None and not self.user_curve

    @property
    def hosts(self) -> tuple[str, ...]:
        """Those of the user classes."""
        return tuple(dict.fromkeys(one.host for one in self.classes if one.host))

    @property
    def names_turns(self) -> bool:
        """True with user classes of the scenario, and with tools."""
        return bool(self.classes or self.tool_use)

    @property
    def non_text_content(self) -> str:
        """Tools, images or both."""
        return " and ".join(filter(None, ("tools" if self.tool_use else "", super().non_text_content)))

    def class_of(self, name: str) -> UserClass | None:
        """The user class of this name; None if it has no tasks of its own."""
        return next((one for one in self.classes if one.name == name), None)

    def is_endless(self, user_class: str) -> bool:
        """True if the users of the class hold turns until they are stopped."""
        found = self.class_of(user_class)
        return not (self.turns if found is None else found.turns)

    @property
    def pauses(self) -> bool:
        """True if users pause between turns. A `wait_time` of a class is assumed to be a pause."""
        if not self.classes:
            return super().pauses
        return all(one.thinks.least >= SHORT_PAUSE_S for one in self.classes if one.think_time)


def read(reader: OptionReader) -> tuple[ChatLoad, Inputs]:
    """The load of the option values."""
    locust = chat_users(reader)
    check_ramp(reader, "spawn-rate", locust.users, locust.users_per_s)
    classes = tuple(user_class(reader, one) for one in locust.declared if one.own)
    hang_ups: HangUps = reader.get(ABANDON)
    use, tools = read_tool_use(reader, reader.get(TURNS_OR_ENDLESS))
    load = ChatLoad(
        users=locust.users,
        users_per_s=locust.users_per_s,
        others=locust.others,
        ramp=reader.get(RAMP),
        turns=reader.get(TURNS_OR_ENDLESS),
        **thinking(reader.get(THINK_TIME)),
        think_first=reader.get(THINK_FIRST),
        **conversation_fields(reader),
        **length_fields(reader),
        abandon_share=hang_ups.share,
        abandon_tokens=hang_ups.tokens,
        tool_use=use,
        classes=classes,
        user_curve=str(reader.values.get(USER_CURVE) or ""),
    )
    if load.think_time_s == 0:
        remedy = "with --think-time 0: set a think time, or leave it out"
        reader.refuse_unused(THINK_FIRST, remedy, THINK_TIME)
    if classes and len(classes) == len(locust.declared):
        for option in NOT_FOR_OWN_TASKS:
            reader.refuse_unused(option, "on users whose tasks say what they send: leave it out")
        unused = {"abandon_share": 0.0, "tool_use": None, "image_use": None}
        return msgspec.structs.replace(load, think_first=False, history=True, **unused), Inputs()
    file = conversations(reader)
    pairs = length_pairs(reader)
    inputs = Inputs(conversations=file.scripts, pairs=pairs, tools=tools, notes=file.notes)
    return load.with_file(file), inputs


SHAPE = Shape(
    ChatLoad,
    (
        TURNS_OR_ENDLESS,
        THINK_TIME,
        THINK_FIRST,
        *CONVERSATION_OPTIONS,
        *LENGTH_OPTIONS,
        *TOOL_OPTIONS,
        ABANDON,
        RAMP,
    ),
    read,
)
