"""The load generator's own health: how late its hub runs, how much of a core it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gevent

from chatload.engine.clock import CLOCK, Clock

LAGGING_MS = 20.0
"""Beyond this lag a user-space stamp is worth nothing to the millisecond."""


Report = Callable[[int, float, float, float | None], None]
"""Takes (now in ns, seconds since the last report, % of a core used in them, resident memory in MB)."""


class HealthReporter:
    """Reports once a second how this process does."""

    def __init__(self, report: Report, clock: Clock = CLOCK) -> None:
        self._report, self._clock = report, clock
        self._second_ns, self._cpu_s = clock.now_ns(), time.process_time()
        self._reporting = gevent.spawn(self._run)

    def stop(self) -> None:
        """Report no more; what was not reported yet is."""
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
    """How late the hub ran, in ms; `lagging_ms` is the time beyond LAGGING_MS in all."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    lagging_ms: float


def lag_facts(late_ms: Sequence[float], period_ms: float) -> Lag:
    """The lag of the hub, from how late each call of a timer came; zeros where none came."""
    every = sorted(missed_too(late_ms or [0.0], period_ms))
    return Lag(
        round(every[len(every) // 2], 3),
        round(every[int(0.99 * (len(every) - 1))], 3),
        round(every[-1], 3),
        round(sum(late - LAGGING_MS for late in late_ms if late > LAGGING_MS), 3),
    )


def missed_too(late_ms: Sequence[float], period_ms: float) -> list[float]:
    """The lags with those of the timer calls that never came because one was late: L, L − period, L − 2 periods, …

    Without them a hub that is blocked half of the time would show one lag where there were fifty.
    """
    return [late - step * period_ms for late in late_ms for step in range(1 + int(late // period_ms))]


def resident_mb() -> float | None:
    """Resident memory of this process in MB; None where the system does not tell (no /proc)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, IndexError):
        return None
