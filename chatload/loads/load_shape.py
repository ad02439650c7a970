"""The interface of load shapes. Each is a file of this folder: options, checks, sentence and bounds.

registry.py finds it by the `SHAPE` that it declares. Its Locust class is in runner/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import msgspec

from chatload.loads.trace import TraceRow
from chatload.loads.turn_lengths import Pair, TurnLengths, length_words, turn_lengths
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.options.distribution import LEAST_PAUSE_S
from chatload.options.option import Choice, Option
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import DAY_S, LONGEST_RUN_S
from chatload.options.warmup import Warmup
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.script import Script

SHORT_PAUSE_S = LEAST_PAUSE_S
"""If every pause between turns is as long or longer, in s, the end of a turn may be noticed 5 ms late."""

RAMP = Choice(
    name="ramp",
    default="even",
    choices=("even", "locust"),
    label="How users start",
    help="even: one user every 1/rate s; locust: several at once every second, as Locust does",
)


class Load(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """How much load, and when.

    `users`, `users_per_s`: Locust's users of chatload's classes, and how many start each second. `others`: Locust's
    users of other classes. `prompt_tokens`, `answer_tokens`: values of the options; numbers in manifests before 0.3.

    `own_users`: Locust's users are the chat users; else they only keep requests in flight.
    `one_process`: one process keeps the whole load. `connections_words`: what each connection belongs to.
    `called`: the load in messages. `sized_by`: the options that set how much load there is. `by_level`: a search that
    checks the SLOs at each level. `new_prompts`: no prompt repeats another. `arrive`: users arrive at a rate, hold
    their turns and leave.
    """

    own_users: ClassVar[bool] = False
    one_process: ClassVar[bool] = False
    connections_words: ClassVar[str] = "users"
    called: ClassVar[str] = "this load"
    sized_by: ClassVar[str] = "--users and --spawn-rate"
    by_level: ClassVar[bool] = False
    new_prompts: ClassVar[bool] = False
    arrive: ClassVar[bool] = False
    users: int = 1
    users_per_s: float = 1.0
    others: int = 0
    ramp: str = "even"
    prompt_tokens: int | str = ""
    answer_tokens: int | str = ""
    shared_prefix_tokens: int = 0
    prefix_groups: int = 1
    cache: str = "as-is"

    def sentence(self) -> str:
        """The load in words, as far as it does not depend on the server."""
        raise NotImplementedError

    @property
    def others_words(self) -> str:
        """Users of other classes in words, to end a sentence; empty if there are none."""
        return f", beside {plural(self.others, 'other user')}" if self.others else ""

    def for_manifest(self) -> Self:
        """The load without values that may be confidential, for the manifest."""
        return self

    def bounds(self) -> str:
        """The number of turns, and the shortest time that they can take, in words."""
        raise NotImplementedError

    @property
    def in_parts(self) -> bool:
        """True if parts of the run have different loads."""
        return False

    def is_warmup(self, turn: Turn, since_s: float, warmup: Warmup) -> bool:
        """Whether a turn due `since_s` after the start belongs to the warm-up: by time, or by its number."""
        return since_s < warmup.seconds if warmup.seconds else turn.turn <= warmup.turns

    def warmup_mistake(self, warmup: Warmup) -> str:
        """Why this load cannot have such a warm-up, with the remedy; empty if it can."""
        known = self.users_and_turns
        if known is not None and warmup.turns >= known[1]:
            return f"each user holds {plural(known[1], 'turn')} in all: none would count"
        return ""

    @property
    def one_message(self) -> bool:
        """True if every request of the run has the same message."""
        return False

    @property
    def turns_planned(self) -> int | None:
        """Number of turns of the whole run; None if it is not known before."""
        raise NotImplementedError

    def turns_with(self, edits: Sequence[int]) -> int | None:
        """Turns planned after edits of the number of users to these, one after the other; None if unknown."""
        return None if edits else self.turns_planned

    @property
    def names_turns(self) -> bool:
        """True if turns have names."""
        return False

    @property
    def follows_user_curve(self) -> bool:
        """True if a LoadTestShape of the scenario starts and stops users; it also ends the run."""
        return False

    @property
    def until_stopped(self) -> bool:
        """True if nothing in the plan ends the run: it is complete whenever it is stopped."""
        return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Addresses of servers other than the run's own."""
        return ()

    def is_endless(self, user_class: str) -> bool:
        """True if users of this class go on until they are stopped: the run does not wait for them."""
        return False

    @property
    def pauses(self) -> bool:
        """True if no user acts within 50 ms of the end of a turn, so that it may be noticed 5 ms late."""
        raise NotImplementedError

    @property
    def grows(self) -> bool:
        """True if requests contain the earlier turns of their conversation."""
        return False

    @property
    def fixed_prompt(self) -> str:
        """The message of every turn; empty if messages differ."""
        return ""

    @property
    def hangs_up(self) -> bool:
        """True if some users close the connection during a reply."""
        return False

    @property
    def users_and_turns(self) -> tuple[int, int] | None:
        """(users, turns of each), if users hold a fixed number of turns."""
        return None

    @property
    def same_in_each_run(self) -> str:
        """The prompts that every run repeats even without --seed, in words; empty if each run has its own."""
        return ""

    @property
    def steady_s(self) -> float | None:
        """s of steady load before the last due time of each part of a run; None: while all users are in."""
        return None

    @property
    def longer_run(self) -> str:
        """How to make a run longer, to begin a clause."""
        return "a longer run would have one"

    def times_as_long(self, factor: float, seconds: float | None) -> str:
        """The size of a run `factor` times as long, in words; `seconds`: how long this one is."""
        if seconds is None:
            return f"about {math.ceil(factor):,} times as long"
        return f"about {factor * seconds / 60.0:.2g} min (now {seconds / 60.0:.2g})"

    @property
    def least_connections(self) -> int:
        """Number of connections that are certainly open at the same time."""
        return self.users

    @property
    def connections_option(self) -> str:
        """The option that sets the number of connections, and its value."""
        return f"--users {self.users}"

    @property
    def non_text_content(self) -> str:
        """What its messages hold beside text, in words: not every dialect accepts it. Empty if text only."""
        return ""

    @property
    def asks_exact_lengths(self) -> bool:
        """True if each answer must have a given length: with --answer-tokens, or a file of pairs."""
        return bool(self.answer_tokens) or str(self.prompt_tokens).startswith("@")

    @property
    def generates_texts(self) -> bool:
        """True if texts of an exact number of tokens are generated, for which the server must count tokens first."""
        return bool(self.prompt_tokens or self.shared_prefix_tokens)

    def turn_lengths(self, seed: int, pairs: Sequence[Pair]) -> TurnLengths:
        """The lengths that the options set for each turn."""
        return turn_lengths(self.prompt_tokens, self.answer_tokens, pairs, seed, self.users)

    def system_prompts(self, inputs: Inputs) -> tuple[str, ...]:
        """The distinct system prompts of its conversations, without the prefixes of --shared-prefix-tokens."""
        return ("",)

    @property
    def lengths_words(self) -> str:
        """Lengths and shared prefixes in words, to continue a sentence; empty without these options."""
        asked = (("prompts", self.prompt_tokens), ("answers", self.answer_tokens))
        found = [f"{name} of {length_words(text)}" for name, text in asked if text]
        if self.shared_prefix_tokens:
            groups = plural(self.prefix_groups, "shared beginning")
            found.append(f"{groups} of {self.shared_prefix_tokens:,} tokens")
        found += [f"a {self.cache} prefix cache"] if self.cache != "as-is" else []
        return "".join(f", {one}" for one in found)


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the files that a plan names. `tools` are JSON objects as requests send them: Any."""

    conversations: tuple[Script, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    trace: tuple[TraceRow, ...] = ()
    chains: tuple[tuple[int, ...], ...] = ()
    """Indexes of the rows of each conversation of the trace, in order."""
    block_tokens: int = 0
    whole_prompts: bool = True
    """True if prompt lengths of a trace's conversations include the history."""
    prompts: tuple[SampledPrompt, ...] = ()
    pairs: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()
    """Notes for the user on a file that can be used, such as that it is truncated."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A load shape. `read` makes the load from option values and reads its files; the reader collects mistakes."""

    load: type[Load]
    options: tuple[Option[object], ...]
    read: Callable[[OptionReader], tuple[Load, Inputs]]

    @property
    def kind(self) -> str:
        """The name of the shape in manifests."""
        return str(self.load.__struct_config__.tag)


def locust_users(reader: OptionReader) -> tuple[int, float]:
    """(users, users/s) of Locust's options; checks its other numbers too."""
    users, rate = reader.locust_number("users", "num_users"), reader.locust_number("spawn-rate", "spawn_rate")
    reader.locust_number("run-time", "run_time")
    reader.locust_number("stop-timeout", "stop_timeout")
    if reader.values.get("enable_rebalancing"):
        reader.add_named_mistake(
            "enable-rebalancing", "'True'", "would hold some conversations twice: leave it out"
        )
    return int(users or 1), float(rate or 1)


def check_ramp(reader: OptionReader, option: str, users: int, users_per_s: float) -> None:
    """Add a mistake if the ramp takes longer than the longest run that can be planned."""
    if users / users_per_s > LONGEST_RUN_S:
        remedy = f"{users:,} users would start over more than {LONGEST_RUN_S // DAY_S} days: raise it"
        reader.add_named_mistake(option, f"'{users_per_s:g}'", remedy)
