"""Think times: how long a user waits after a complete reply, always the same or drawn.

Users whose think times and answers are all equal fall into step: they send together, wait together, and measure a
server under bursts that independent users would not make. Drawn think times keep them apart.
"""

from __future__ import annotations

import random
from typing import TypedDict

from chatload.loads.load_shape import SHORT_PAUSE_S, Load
from chatload.options.distribution import Distribution, DistributionOption, Law
from chatload.options.ranges import seconds


class ThinkFields(TypedDict):
    """The fields of `ThinkingLoad`."""

    think_time_s: float
    think_time_drawn: Law
    think_time_least_s: float | None
    think_time_spread_s: float
    think_time_most_s: float | None


class ThinkingLoad(Load, frozen=True, kw_only=True):
    """A load whose users think between turns: the mean in s, how it is drawn, its standard deviation and its ends.

    A manifest of before think times were drawn has the mean only: then it is the least, too.
    """

    think_time_s: float
    think_time_drawn: Law = "constant"
    think_time_least_s: float | None = None
    think_time_spread_s: float = 0.0
    think_time_most_s: float | None = None

    @property
    def think_time(self) -> Distribution:
        """The think time of this load, in s."""
        least_s = self.think_time_least_s
        return Distribution(
            self.think_time_s,
            self.think_time_drawn,
            self.think_time_s if least_s is None else least_s,
            self.think_time_spread_s,
            self.think_time_most_s,
        )

    def think_s(self, seed: int, user: int, turn: int) -> float:
        """How long a user thinks after this turn, in s, by the run's seed: a run can be repeated, on any worker."""
        return self.think_time.drawn(f"think {seed} {user} {turn}")

    @property
    def pauses(self) -> bool:
        """True where users pause between turns."""
        return self.think_time.least >= SHORT_PAUSE_S


def phase_s(think: Distribution, seed: str) -> float:
    """A share, drawn uniformly, of a think time: when a user first acts who is met in the middle of things."""
    return random.Random(f"phase {seed}").random() * think.drawn(seed)


THINK_TIME = DistributionOption(
    name="think-time",
    default="2",
    limits=seconds(),
    soon=False,
    help=(
        "s a user waits after each complete reply: 2, or drawn: 'exp 2' (exponential, mean 2), '1..3' (uniform), "
        "'2±0.5' (normal), 'lognormal 2±1', these also 'at least 1' and 'at most 9'"
    ),
    label="Thinking after each reply (s)",
)


def thinking(think: Distribution) -> ThinkFields:
    """The fields of a load whose users think like this."""
    return {
        "think_time_s": think.mean,
        "think_time_drawn": think.law,
        "think_time_least_s": None if think.law == "constant" else think.least,
        "think_time_spread_s": think.spread,
        "think_time_most_s": think.most,
    }
