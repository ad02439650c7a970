"""Think times: how long a user waits after a complete reply, constant or random.

Users with equal think times and equal answers synchronise: they send at the same time, and the server is measured
under bursts that independent users would not cause. Random think times prevent that.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TypedDict

from chatload.loads.load_shape import SHORT_PAUSE_S, Load
from chatload.options.distribution import Distribution, DistributionOption, Law
from chatload.options.ranges import seconds


class ThinkFields(TypedDict):
    """Fields of `ThinkingLoad`."""

    think_time_s: float
    think_time_drawn: Law
    think_time_least_s: float | None
    think_time_spread_s: float
    think_time_most_s: float | None


class ThinkingLoad(Load, frozen=True, kw_only=True):
    """A load whose users think between turns: mean, distribution, standard deviation, least and most, in s.

    Manifests of versions with constant think times have the mean only, which is then the least, too.
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
        """The think time after this turn, in s: the same for a seed, in each run and on any worker."""
        return self.think_time.drawn(f"think {seed} {user} {turn}")

    @property
    def pauses(self) -> bool:
        """True if every think time is a pause."""
        return self.think_time.least >= SHORT_PAUSE_S


def phase_s(think: Distribution, seed: str) -> float:
    """A uniform share of a random think time, in s: until a user who starts in mid-conversation first sends."""
    return random.Random(f"phase {seed}").random() * think.drawn(seed)


THINK_TIME = DistributionOption(
    name="think-time",
    default="2",
    limits=seconds(),
    pauses=True,
    help=(
        "s a user waits after each complete reply: 2, or drawn: 'exp 2' (exponential, mean 2), '1..3' (uniform), "
        "'2±0.5' (normal), 'lognormal 2±1', these also 'at least 1' and 'at most 9'"
    ),
    label="Thinking after each reply (s)",
)
RANDOM_THINK_TIME = replace(THINK_TIME, default="exp 2")
"""The default of capacity searches and arriving conversations: users with equal think times synchronise."""


def thinking(think: Distribution) -> ThinkFields:
    """The `ThinkFields` of a distribution."""
    return {
        "think_time_s": think.mean,
        "think_time_drawn": think.law,
        "think_time_least_s": None if think.law == "constant" else think.least,
        "think_time_spread_s": think.spread,
        "think_time_most_s": think.most,
    }
