"""Think times: how long a user waits after a complete reply, always the same or drawn.

Users whose think times and answers are all equal fall into step: they send together, wait together, and measure a
server under bursts that independent users would not make. Drawn think times keep them apart.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from typing import Literal, TypedDict

import msgspec

from chatload.loads.load_shape import SHORT_PAUSE_S, Load
from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import Range, seconds

Drawn = Literal["constant", "exponential", "uniform"]
_EXPONENTIAL = re.compile(r"exp\s+(\S+)", re.IGNORECASE)


class ThinkTime(msgspec.Struct, frozen=True):
    """A think time of `mean_s` on average, never below `least_s`, in s.

    constant: `mean_s`. exponential: least + Exp(mean − least). uniform: from least to 2 · mean − least.
    """

    mean_s: float
    drawn: Drawn
    least_s: float

    @property
    def words(self) -> str:
        """2 s, 2 s (exponential), 1 to 3 s (uniform)."""
        if self.drawn == "uniform":
            return f"{self.least_s:g} to {2 * self.mean_s - self.least_s:g} s (uniform)"
        return f"{self.mean_s:g} s" + (" (exponential)" if self.drawn == "exponential" else "")

    @property
    def text(self) -> str:
        """The option's value: 2, exp 2, 1..3."""
        if self.drawn == "uniform":
            return f"{self.least_s:g}..{2 * self.mean_s - self.least_s:g}"
        return f"{'exp ' if self.drawn == 'exponential' else ''}{self.mean_s:g}"

    def seconds(self, seed: str) -> float:
        """The think time of this seed, in s: the inverse of its distribution at a random share."""
        if self.drawn == "constant":
            return self.mean_s
        share = random.Random(seed).random()
        scale = -math.log1p(-share) if self.drawn == "exponential" else 2.0 * share
        return self.least_s + scale * (self.mean_s - self.least_s)

    def phase_s(self, seed: str) -> float:
        """A share, drawn uniformly, of a think time: when a user first acts who is met in the middle of things."""
        return random.Random(f"phase {seed}").random() * self.seconds(seed)


class ThinkFields(TypedDict):
    """The fields of `ThinkingLoad`."""

    think_time_s: float
    think_time_drawn: Drawn
    think_time_least_s: float | None


class ThinkingLoad(Load, frozen=True, kw_only=True):
    """A load whose users think between turns: the mean in s, how it is drawn, and the least (None: the mean).

    A manifest of before think times were drawn has the mean only.
    """

    think_time_s: float
    think_time_drawn: Drawn = "constant"
    think_time_least_s: float | None = None

    @property
    def think_time(self) -> ThinkTime:
        """The think time of this load."""
        least_s = self.think_time_least_s
        return ThinkTime(
            self.think_time_s, self.think_time_drawn, self.think_time_s if least_s is None else least_s
        )

    def think_s(self, seed: int, user: int, turn: int) -> float:
        """How long a user thinks after this turn, in s, by the run's seed: a run can be repeated, on any worker."""
        return self.think_time.seconds(f"think {seed} {user} {turn}")

    @property
    def pauses(self) -> bool:
        """True where users pause between turns."""
        return self.think_time.least_s >= SHORT_PAUSE_S


def exponential(mean_s: float) -> ThinkTime:
    """Exponential with this mean: nobody answers at once, so 50 ms (at most a tenth of the mean) are always there."""
    return ThinkTime(mean_s, "exponential", min(SHORT_PAUSE_S, mean_s / 10.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkTimeOption(Option[ThinkTime]):
    """A think time in s: "2", "exp 2" or "1..3", each number within `limits`."""

    limits: Range

    def parse(self, text: str) -> ThinkTime:
        """The think time."""
        exp, between = _EXPONENTIAL.fullmatch(text), text.partition("..")
        if exp:
            return exponential(self._number(exp[1]))
        if between[1]:
            least_s, most_s = self._number(between[0]), self._number(between[2])
            if least_s > most_s:
                raise InvalidValue(f"the shorter one comes first: {most_s:g}..{least_s:g}")
            return ThinkTime((least_s + most_s) / 2, "uniform", least_s)
        mean_s = self._number(text)
        return ThinkTime(mean_s, "constant", mean_s)

    def _number(self, text: str) -> float:
        found = self.limits.read(text)
        if found is None:
            raise InvalidValue(f"must be {self.limits.words} such as 2, or drawn: 'exp 2' (mean 2), '1..3'")
        return found


THINK_TIME = ThinkTimeOption(
    name="think-time",
    default="2",
    limits=seconds(),
    help="s a user waits after each complete reply: 2, or drawn: 'exp 2' (exponential, mean 2), '1..3' (uniform)",
    label="Thinking after each reply (s)",
)


def thinking(think: ThinkTime) -> ThinkFields:
    """The fields of a load whose users think like this."""
    return {
        "think_time_s": think.mean_s,
        "think_time_drawn": think.drawn,
        "think_time_least_s": None if think.drawn == "constant" else think.least_s,
    }
