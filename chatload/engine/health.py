"""The load generator's own health: how late its hub runs, how much of a core it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent

from chatload.engine.clock import now_ns

LAGGING_MS = 20.0
"""Beyond this lag a user-space stamp is worth nothing to the millisecond."""


class HealthReporter:
    """Once a second tells how we do: what `facts` says, processor and memory."""

    def __init__(
        self, emit: Callable[[dict[str, Any]], None], facts: Callable[[], dict[str, int | float]]
    ) -> None:
        self._emit, self._facts = emit, facts
        self._second_ns, self._cpu_s = now_ns(), time.process_time()
        self._beating = gevent.spawn(self._beat)

    def stop(self) -> None:
        """Beat no more; what was not told yet is told."""
        self._beating.kill(block=False)
        self._tell()

    def _beat(self) -> None:
        while True:
            gevent.sleep(1.0)
            self._tell()

    def _tell(self) -> None:
        now, cpu_s = now_ns(), time.process_time()
        seconds, used_s = (now - self._second_ns) / 1e9, cpu_s - self._cpu_s
        self._second_ns, self._cpu_s = now, cpu_s
        self._emit(
            {
                "kind": "health",
                "at_ns": now,
                "seconds": round(seconds, 3),
                "cpu_percent": round(used_s / seconds * 100, 1) if seconds else 0.0,
                "rss_mb": resident_mb(),
                **self._facts(),
            }
        )


def lag_facts(late_ms: Sequence[float], period_ms: float) -> dict[str, float]:
    """The lag of the hub, from how late each beat of a timer came; zeros where nothing beat."""
    every = sorted(missed_too(late_ms or [0.0], period_ms))
    return {
        "hub_lag_p50_ms": round(every[len(every) // 2], 3),
        "hub_lag_p99_ms": round(every[int(0.99 * (len(every) - 1))], 3),
        "hub_lag_max_ms": round(every[-1], 3),
        "lagging_ms": round(sum(late - LAGGING_MS for late in late_ms if late > LAGGING_MS), 3),
    }


def missed_too(late_ms: Sequence[float], period_ms: float) -> list[float]:
    """The lags with those of the beats that never came because one was late: L, L − period, L − 2 periods, …

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
