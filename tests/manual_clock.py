"""A clock that stands still while anybody can run: when all greenlets wait, it jumps to the next instant planned.

The greenlet that made the clock (the test's own) moves it: by `sleep`, or by `run`. In any other greenlet `sleep`
waits until the clock has come to the instant.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

import gevent
import gevent.event

from chatload.engine.clock import Clock

BEGINS_NS = 1_000_000_000_000
MOST_S = 86_400.0


class ManualClock(Clock):
    """Seconds count from the beginning of the test. AssertionError where all wait for what never comes."""

    def __init__(self) -> None:
        self._now_ns = BEGINS_NS
        self._plans: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = count()
        self._owner = gevent.getcurrent()

    @property
    def now_s(self) -> float:
        """Seconds since the beginning of the test."""
        return (self._now_ns - BEGINS_NS) / 1e9

    def now_ns(self) -> int:
        """The instant."""
        return self._now_ns

    def at(self, seconds: float, call: Callable[[], object]) -> None:
        """Have `call` made when the clock comes to that second."""
        self._plan(BEGINS_NS + round(seconds * 1e9), call)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Have `call` made in so many seconds."""
        self._plan(self._now_ns + round(seconds * 1e9), call)

    def sleep(self, seconds: float) -> None:
        """Move the clock by so much, or wait until it has moved."""
        self.go_to(self._now_ns + round(seconds * 1e9))

    def go_to(self, at_ns: int) -> None:
        """As `sleep` does, to an instant."""
        if gevent.getcurrent() is not self._owner:
            woken = gevent.event.Event()
            self._plan(at_ns, woken.set)
            woken.wait()
            return
        gevent.idle()
        while self._plans and self._plans[0][0] <= at_ns:
            self._step()
        self._now_ns = max(self._now_ns, at_ns)

    def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What `call` returns; it runs in a greenlet of its own, and the clock moves until it has returned."""
        running = gevent.spawn(call, *arguments)
        gevent.idle()
        while not running.ready():
            assert self._plans, "waits for what never comes"
            self._step()
        return running.get()

    def _plan(self, at_ns: int, call: Callable[[], object]) -> None:
        heapq.heappush(self._plans, (at_ns, next(self._numbers), call))

    def _step(self) -> None:
        """Make the next call that is planned, and let everybody run who can."""
        at_ns, _, call = heapq.heappop(self._plans)
        self._now_ns = max(self._now_ns, at_ns)
        assert self.now_s < MOST_S, "waits for what never comes"
        call()
        gevent.idle()
