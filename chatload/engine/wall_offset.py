"""The offset that converts the kernel's stamps to instants of our clock, and the steps of the wall clock."""

from __future__ import annotations

import time

from chatload.engine.clock import now_ns, wall_offset_ns

_SECOND_NS = 1_000_000_000
_STEP_NS = 1_000_000
_SLEW = 1000
"""A slewed wall clock drifts by at most 0.5 ms/s: a change of more than 1 ms plus 1 ms/s is a step."""


class WallOffset:
    """CLOCK_REALTIME − our clock (`ns`), at most a second old; `steps`: spans in which the wall clock was set."""

    def __init__(self) -> None:
        self.ns = wall_offset_ns()
        self.steps: list[tuple[int, int]] = []
        self._taken_ns = now_ns()

    def check(self) -> None:
        """Update the offset if it is more than a second old, or if the wall clock was set."""
        wall, now = time.time_ns(), now_ns()
        allowed = _STEP_NS + (now - self._taken_ns) // _SLEW
        seems_set = abs(wall - now - self.ns) > allowed  # or this process was paused between the two readings
        if not seems_set and now - self._taken_ns <= _SECOND_NS:
            return
        offset = wall_offset_ns()
        if abs(offset - self.ns) > allowed:
            self.steps.append((self._taken_ns, now))
        self.ns, self._taken_ns = offset, now
