"""A clock that stands still until somebody waits: then it jumps, and makes the calls planned until that instant."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from chatload.engine.clock import Clock

BEGINS_NS = 1_000_000_000_000
MOST_S = 86_400.0


class ManualClock(Clock):
    """`at(seconds, call)` plans a call; `sleep` makes it. Seconds count from the beginning of the test.

    Who waits for more than a day in all waits for something that never comes: AssertionError.
    """

    def __init__(self) -> None:
        self._now_ns = BEGINS_NS
        self._plans: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = count()

    @property
    def now_s(self) -> float:
        """Seconds since the beginning of the test."""
        return (self._now_ns - BEGINS_NS) / 1e9

    def now_ns(self) -> int:
        """The instant."""
        return self._now_ns

    def at(self, seconds: float, call: Callable[[], object]) -> None:
        """Have `call` made when the clock comes to that second."""
        heapq.heappush(self._plans, (BEGINS_NS + round(seconds * 1e9), next(self._numbers), call))

    def sleep(self, seconds: float) -> None:
        """Jump, and make the calls that are due by then, each at its own instant."""
        self.go_to(self._now_ns + round(seconds * 1e9))

    def go_to(self, at_ns: int) -> None:
        """As `sleep` does, to an instant."""
        while self._plans and self._plans[0][0] <= at_ns:
            due_ns, _, call = heapq.heappop(self._plans)
            self._now_ns = max(self._now_ns, due_ns)
            call()
        self._now_ns = max(self._now_ns, at_ns)
        assert self.now_s < MOST_S, "waits for what never comes"
