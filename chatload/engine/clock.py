"""The one clock. Every instant in chatload is ns of this monotonic clock, and of no other."""

from __future__ import annotations

import time

now_ns = time.perf_counter_ns
"""Monotonic ns. On Linux this is CLOCK_MONOTONIC, so instants of processes on one host compare."""


def wall_offset_ns() -> int:
    """CLOCK_REALTIME − monotonic, in ns: the tightest of nine bracketed readings.

    Add it to an instant to get Unix time; subtract it from a kernel stamp (which is
    CLOCK_REALTIME) to get an instant. It drifts by up to 0.5 ms/s under slew: take it anew each second.
    """
    tightest = min(_bracketed_reading() for _ in range(9))
    return tightest[1]


def _bracketed_reading() -> tuple[int, int]:
    before = now_ns()
    wall = time.time_ns()
    after = now_ns()
    return after - before, wall - (before + after) // 2
