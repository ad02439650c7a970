"""What a capacity search does now, in words: for the progress line and the live page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatload.loads.capacity import CapacityLoad
from chatload.model.metrics import ttft_ms
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.runner.progress import ttft_words

RECENT_NS = 10 * 10**9
FRESH_NS, COST = 5 * 10**9, 100


@dataclass(frozen=True, slots=True)
class LevelProgress:
    """One window of a level: users come in from `start_ns` on, turns due from `measured_ns` to `end_ns` count.

    `number` counts windows from 1. `more_s` is how long the rest of the search takes at least, in s.
    """

    number: int
    users: int
    group: str
    start_ns: int
    measured_ns: int
    end_ns: int
    more_s: float

    def words(self, load: CapacityLoad, turns: Sequence[Turn], now_ns: int) -> str:
        """Level, users in it, what is done with it and for how long, and the figures of its turns so far."""
        came_in = math.floor((now_ns - self.start_ns) * load.rate / 1e9) + 1 if now_ns >= self.start_ns else 0
        if now_ns < self.measured_ns:
            doing, until_ns = "settling", self.measured_ns
        elif now_ns < self.end_ns:
            doing, until_ns = "measuring", self.end_ns
        else:
            doing, until_ns = "ending its turns", now_ns
        if came_in < self.users and not load.arrives:
            doing = "starting users"
        left = f", {(until_ns - now_ns) / 1e9:.0f} s left" if until_ns > now_ns else ""
        search_s = self.more_s + max(0.0, (self.end_ns - now_ns) / 1e9)
        users = f"{min(self.users, came_in):,} of {plural(self.users, 'user')}"
        if load.arrives:
            users = f"{self.users:,} conversations a minute"
        return (
            f"window {self.number} ({self.group}): {users}, {doing}{left}; search: {search_s:,.0f} s or more left;"
            f"  {_figures([turn for turn in turns if turn.group == self.group], now_ns)}"
        )


class SoFar:
    """Words that cost time to make: made anew after `FRESH_NS`, and 100 times as long as they took last."""

    def __init__(self) -> None:
        self._words, self._again_ns = "", 0

    def words(self, make: Callable[[], str], now_ns: int) -> str:
        """What `make` said last."""
        if now_ns >= self._again_ns:
            began_ns = time.perf_counter_ns()
            self._words = make()
            took_ns = time.perf_counter_ns() - began_ns
            self._again_ns = now_ns + max(FRESH_NS, COST * took_ns)
        return self._words


def _figures(turns: Sequence[Turn], now_ns: int) -> str:
    """Turns, TTFT p95, tokens/s of the last 10 s and failed turns."""
    waits = sorted(wait for turn in turns if turn.ok and (wait := ttft_ms(turn)) is not None)
    if not turns:
        return "no turn yet"
    span_s = max(1e9, min(RECENT_NS, now_ns - min(turn.due_ns for turn in turns))) / 1e9
    recent = [turn for turn in turns if turn.end_ns > now_ns - span_s * 1e9]
    speed = sum(turn.tokens or 0 for turn in recent) / span_s
    failed = sum(turn.failed for turn in turns)
    return f"turns {len(turns):,}  TTFT {ttft_words(waits)}  {speed:,.0f} tokens/s  failed {failed:,}"
