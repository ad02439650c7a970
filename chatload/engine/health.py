"""The load generator's own health: how late its hub runs, and how much CPU it uses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gevent

from chatload.engine.clock import CLOCK, Clock

LAGGING_MS = 20.0
"""Lag beyond which user-space stamps are too inaccurate."""


Report = Callable[[int, float, float, float | None], None]
"""Called with (now in ns, seconds since the last report, % of a core used in them, resident memory in MB)."""


class HealthReporter:
    """Calls `report` once a second with the state of this process."""

    def __init__(self, report: Report, clock: Clock = CLOCK) -> None:
        self._report, self._clock = report, clock
        self._second_ns, self._cpu_s = clock.now_ns(), time.process_time()
        self._reporting = gevent.spawn(self._run)

    def stop(self) -> None:
        """Report the time since the last report, and stop."""
        self._reporting.kill(block=False)
        self._tell()

    def _run(self) -> None:
        while True:
            self._clock.sleep(1.0)
            self._tell()

    def _tell(self) -> None:
        now, cpu_s = self._clock.now_ns(), time.process_time()
        seconds, used_s = (now - self._second_ns) / 1e9, cpu_s - self._cpu_s
        self._second_ns, self._cpu_s = now, cpu_s
        percent = round(used_s / seconds * 100, 1) if seconds else 0.0
        self._report(now, round(seconds, 3), percent, resident_mb())


class Lag(NamedTuple):
    """How late the hub ran, in ms; `lagging_ms` is the sum of all lag beyond LAGGING_MS."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    lagging_ms: float


def lag_facts(late_ms: Sequence[float], period_ms: float) -> Lag:
    """The lag of the hub, from how late each call of a timer came; zeros without calls."""
    every = sorted(missed_too(late_ms or [0.0], period_ms))
    return Lag(
        round(every[len(every) // 2], 3),
        round(every[int(0.99 * (len(every) - 1))], 3),
        round(every[-1], 3),
        round(sum(late - LAGGING_MS for late in late_ms if late > LAGGING_MS), 3),
    )


def missed_too(late_ms: Sequence[float], period_ms: float) -> list[float]:
    """The lags, and those of the timer calls that were skipped because one was late: L, L − period, L − 2 periods, …

    Otherwise a hub that is blocked for long would count as one lag, not as the many calls that were missed.
    """
    return [late - step * period_ms for late in late_ms for step in range(1 + int(late // period_ms))]


def resident_mb() -> float | None:
    """Resident memory of this process in MB; None on systems without /proc."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, IndexError):
        return None
