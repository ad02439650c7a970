"""Rates of arrivals that change with time: "1/s 60s, 5/s 120s, 5..1/s 60s"."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import DAY_S, LONGEST_RUN_S, MOST_REQUESTS, Range

MOST_STEPS = 100
_STEP = re.compile(r"(\S+?)\s*(?:\.\.\s*(\S+?))?\s*/\s*(s|min|h)\s+(?:for\s+)?(\S+)", re.IGNORECASE)
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_RATE, _TIME = Range(0.0, 1_000_000), Range(1, DAY_S, unit="time")
_FORM = "must be rates and times such as '1/s 60s, 5/s 2m, 5..1/s 60s' (also /min and /h)"


class RateStep(msgspec.Struct, frozen=True):
    """A rate that changes linearly from `first` to `last` arrivals/s within `seconds`."""

    first: float
    last: float
    seconds: float
    words: str

    @property
    def arrivals(self) -> float:
        """Expected number of arrivals: mean rate · seconds."""
        return (self.first + self.last) / 2.0 * self.seconds

    def when_s(self, arrivals: float) -> float:
        """The t, in s from the start of the step, where first · t + (last − first) / seconds · t² / 2 = arrivals."""
        slope = (self.last - self.first) / self.seconds
        root = math.sqrt(max(0.0, self.first**2 + 2.0 * slope * arrivals))
        return 2.0 * arrivals / (self.first + root) if arrivals else 0.0


def group_of(steps: Sequence[RateStep], index: int) -> str:
    """The group of the turns of a step; `index` counts from 0."""
    return f"step {index + 1}: {steps[index].words}"


def group_at(steps: Sequence[RateStep], due_ns: int) -> str:
    """The group of a turn that is due `due_ns` after the start; empty unless there are several steps."""
    if len(steps) < 2:
        return ""
    index = bisect_right(step_ends_s(steps), due_ns / 1e9)
    return group_of(steps, min(index, len(steps) - 1))


def step_ends_s(steps: Sequence[RateStep]) -> list[float]:
    """When each step ends, in s from the start."""
    return list(accumulate(step.seconds for step in steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSteps(Option[tuple[RateStep, ...]]):
    """Rates, each for a time, one after another; empty: none."""

    def parse(self, text: str) -> tuple[RateStep, ...]:
        """The steps."""
        parts = [part.strip() for part in text.split(",")] if text else []
        if len(parts) > MOST_STEPS:
            raise InvalidValue(f"has {len(parts):,} steps: at most {MOST_STEPS}")
        steps = tuple(map(_step, parts))
        seconds, arrivals = sum(step.seconds for step in steps), sum(step.arrivals for step in steps)
        if seconds > LONGEST_RUN_S:
            raise InvalidValue(f"takes more than {LONGEST_RUN_S // DAY_S} days")
        if arrivals > MOST_REQUESTS:
            raise InvalidValue(f"makes {arrivals:,.0f} arrivals: at most {MOST_REQUESTS:,}")
        if steps and arrivals < 1:
            raise InvalidValue("makes no arrival")
        return steps


def _step(text: str) -> RateStep:
    found = _STEP.fullmatch(text)
    first = _RATE.read(found[1]) if found else None
    last = _RATE.read(found[2] or found[1]) if found else None
    seconds = _TIME.read(found[4]) if found else None
    if found is None or first is None or last is None or seconds is None:
        raise InvalidValue(f"{_FORM}; {text[:40]!r} is not")
    each = _SECONDS[found[3].lower()]
    words = f"{first:g}" if first == last else f"{first:g} to {last:g}"
    return RateStep(first / each, last / each, seconds, f"{words}/{found[3].lower()}")
