"""How much load, and when: one class a locustfile, each saying itself in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

SHORT_PAUSE_S = 0.05
"""The end of a turn may be noticed 5 ms late where users pause for longer than this."""


@dataclass(frozen=True, slots=True)
class ChatLoad:
    """Closed loop: users who hold conversations."""

    users: int
    users_per_s: float
    ramp: str
    turns: int
    think_time_s: float
    think_first: bool
    history: bool
    prompt: str
    prompts: str
    abandon_share: float = 0.0
    abandon_tokens: int = 0

    def sentence(self) -> str:
        """The load in words, as far as it does not depend on the server."""
        after = f"{number(self.think_time_s)} s {'before' if self.think_first else 'after'} each"
        return (
            f"{self.users:,} {plural(self.users, 'user')} over {number(self.users / self.users_per_s)} s, "
            f"{self.turns:,} {plural(self.turns, 'turn')} each, {after}{'' if self.think_first else ' reply'}"
            f"{self._abandoning()}"
        )

    def _abandoning(self) -> str:
        if not self.abandon_share:
            return ""
        return f", {self.abandon_share:.0%} hang up after {self.abandon_tokens} tokens"

    def bounds(self) -> str:
        """What that comes to: the number of turns, and the least time they can take."""
        turns = self.users * self.turns
        pauses = self.turns if self.think_first else self.turns - 1
        least_s = math.ceil(self.users / self.users_per_s + pauses * self.think_time_s)
        return f"{turns:,} {plural(turns, 'turn')}, at least {least_s:,} s"

    @property
    def turns_planned(self) -> int:
        """Turns the whole run comes to."""
        return self.users * self.turns

    @property
    def thinks(self) -> bool:
        """True when users pause between turns, so that the end of a turn may be noticed up to 5 ms late."""
        return self.think_time_s >= SHORT_PAUSE_S


@dataclass(frozen=True, slots=True)
class ArrivalLoad:
    """Open loop: requests arrive when they are due, however many are still in flight."""

    users: int
    users_per_s: float
    ramp: str
    requests: int
    interval_s: float
    arrivals: str
    trace: str
    sharegpt: str
    exact_lengths: bool

    def sentence(self) -> str:
        """The load in words."""
        if self.trace:
            return f"requests as due in {self.trace}"
        if self.interval_s == 0:
            return f"{self.requests:,} {plural(self.requests, 'request')} all at once"
        spaced = "on average (Poisson)" if self.arrivals == "poisson" else "exactly"
        return f"{self.requests:,} requests, one every {number(self.interval_s)} s {spaced}"

    def bounds(self) -> str:
        """What that comes to."""
        if self.trace:
            return "open loop"
        return f"open loop, the last one due after {number(self.interval_s * (self.requests - 1))} s"

    @property
    def turns_planned(self) -> int:
        """Turns the whole run comes to; 0 where only the trace file knows."""
        return 0 if self.trace else self.requests

    @property
    def thinks(self) -> bool:
        """Arrivals come when due: nobody waits for the end of a turn."""
        return True


@dataclass(frozen=True, slots=True)
class SweepLoad:
    """Fixed concurrency, level after level, without pauses."""

    users: int
    users_per_s: float
    ramp: str
    levels: tuple[int, ...]
    rounds: int
    prompt_tokens: int
    answer_tokens: int

    def sentence(self) -> str:
        """The load in words."""
        return (
            f"{', '.join(map(str, self.levels))} requests in flight, level after level, {self.rounds} each, "
            f"{self.answer_tokens} tokens an answer"
        )

    def bounds(self) -> str:
        """What that comes to."""
        return f"{self.turns_planned:,} turns"

    @property
    def turns_planned(self) -> int:
        """Turns the whole run comes to."""
        return sum(self.levels) * self.rounds

    @property
    def thinks(self) -> bool:
        """No pause: the end of a turn must be noticed at once."""
        return False


@dataclass(frozen=True, slots=True)
class CapacityLoad:
    """A ladder of levels of chat users, looking for the most that hold within the SLOs."""

    users: int
    users_per_s: float
    ramp: str
    first: int
    most: int
    rate: float
    precision: float
    windows: int
    settle_s: float
    measure_s: float
    conversation_turns: int
    think_time_s: float
    history: bool
    prompt: str
    prompts: str

    def sentence(self) -> str:
        """The load in words."""
        return (
            f"levels from {self.first:,} to at most {self.most:,} chat users, {number(self.rate)} more a second, "
            f"{number(self.settle_s)} s to settle and {number(self.measure_s)} s measured each, "
            f"{self.conversation_turns} turns a conversation, {number(self.think_time_s)} s after each reply"
        )

    def bounds(self) -> str:
        """What that comes to."""
        again = f", what is undecided measured up to {self.windows} times" if self.windows > 1 else ""
        return f"to within {self.precision:.0%}{again}"

    @property
    def turns_planned(self) -> int:
        """Unknown before the ladder is climbed."""
        return 0

    @property
    def thinks(self) -> bool:
        """True when users pause between turns."""
        return self.think_time_s >= SHORT_PAUSE_S


Load = ChatLoad | ArrivalLoad | SweepLoad | CapacityLoad


def number(value: float) -> str:
    return f"{value:g}"


def plural(n: int, word: str) -> str:
    return word if n == 1 else word + "s"
