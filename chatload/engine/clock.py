"""The clock: every instant in chatload is ns of this monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

now_ns = time.perf_counter_ns
"""Monotonic ns. On Linux this is CLOCK_MONOTONIC, so instants of processes on one host are comparable."""


class Clock:
    """The current instant, and waiting for a later one. Tests pass a subclass that they set by hand."""

    def now_ns(self) -> int:
        """The current instant in ns."""
        return now_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep while other greenlets run."""
        gevent.sleep(seconds)

    def sleep_until(self, at_ns: int) -> None:
        """Sleep until the instant; other greenlets run at least once, even if it has passed."""
        self.sleep(max(0.0, (at_ns - self.now_ns()) / 1e9))

    def wait_for(self, condition: Callable[[], object], limit_s: float, look_s: float = 0.02) -> bool:
        """Wait until `condition()` is true, checked every `look_s`; False if it is not within `limit_s`."""
        limit_ns = self.now_ns() + round(limit_s * 1e9)
        while not condition():
            if self.now_ns() >= limit_ns:
                return False
            self.sleep(look_s)
        return True

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call `call` after `seconds` in a new greenlet."""
        gevent.spawn_later(seconds, call)


CLOCK = Clock()
"""The real clock."""


def wall_offset_ns() -> int:
    """CLOCK_REALTIME − monotonic, in ns: the tightest of nine bracketed readings.

    Add it to an instant to get Unix time; subtract it from a kernel stamp (which is
    CLOCK_REALTIME) to get an instant. It drifts by up to 0.5 ms/s under slew, so read it again each second.
    """
    tightest = min(_bracketed_reading() for _ in range(9))
    return tightest[1]


def _bracketed_reading() -> tuple[int, int]:
    before = now_ns()
    wall = time.time_ns()
    after = now_ns()
    return after - before, wall - (before + after) // 2
