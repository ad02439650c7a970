"""What turns the kernel's stamps into instants of our clock, taken anew each second; and the clock's steps."""

from __future__ import annotations

import time

from chatload.engine.clock import now_ns, wall_offset_ns

_SECOND_NS = 1_000_000_000
_STEP_NS = 1_000_000
_SLEW = 1000
"""A wall clock that is slewed drifts by 0.5 ms/s at most: more than 1 ms, and 1 ms a second, is a step."""


class WallOffset:
    """CLOCK_REALTIME − our clock (`ns`), at most a second old; `steps` are the spans in which it was set."""

    def __init__(self) -> None:
        self.ns = wall_offset_ns()
        self.steps: list[tuple[int, int]] = []
        self._taken_ns = now_ns()

    def check(self) -> None:
        """Take it anew if a second is over, or if the wall clock was set meanwhile."""
        wall, now = time.time_ns(), now_ns()
        allowed = _STEP_NS + (now - self._taken_ns) // _SLEW
        seems_set = abs(wall - now - self.ns) > allowed  # or we were held up between the two readings
        if not seems_set and now - self._taken_ns <= _SECOND_NS:
            return
        offset = wall_offset_ns()
        if abs(offset - self.ns) > allowed:
            self.steps.append((self._taken_ns, now))
        self.ns, self._taken_ns = offset, now
