"""The load generator's own health: how late its hub runs, how much of a core it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import gevent

from chatload.clock import now_ns

_BEAT_NS = 10_000_000
LAGGING_MS = 20.0
"""Beyond this lag a user-space stamp is worth nothing to the millisecond."""


class Pulse:
    """Beats every 10 ms and notes how late each beat comes; reports once a second to `emit`."""

    def __init__(
        self, emit: Callable[[dict[str, Any]], None], levels: Callable[[], dict[str, int | float]]
    ) -> None:
        self._emit, self._levels = emit, levels
        self._late_ms: list[float] = []
        self._second_ns, self._cpu_s = now_ns(), time.process_time()
        self._due_ns = self._second_ns + _BEAT_NS
        # In the hub itself, since a greenlet that sleeps and wakes 100 times a second costs 1 % of a core.
        self._timer = gevent.get_hub().loop.timer(_BEAT_NS / 1e9, _BEAT_NS / 1e9)
        self._timer.start(self._beat)

    def stop(self) -> None:
        """Beat no more; what was not told yet is told."""
        self._timer.stop()
        self._timer.close()
        self._tell()

    def _beat(self) -> None:
        now = now_ns()
        self._late_ms.append(max(0.0, (now - self._due_ns) / 1e6))
        if now - self._second_ns >= 1_000_000_000:
            gevent.spawn(self._tell)  # it may wait, which the hub must not
        self._due_ns = now + _BEAT_NS
        self._timer.again(self._beat)

    def _tell(self) -> None:
        now, cpu_s = now_ns(), time.process_time()
        seconds, used_s, late_ms = (now - self._second_ns) / 1e9, cpu_s - self._cpu_s, self._late_ms or [0.0]
        self._second_ns, self._cpu_s, self._late_ms = now, cpu_s, []
        every = sorted(missed_too(late_ms))
        self._emit(
            {
                "kind": "health",
                "at_ns": now,
                "seconds": round(seconds, 3),
                "hub_lag_p50_ms": round(every[len(every) // 2], 3),
                "hub_lag_p99_ms": round(every[int(0.99 * (len(every) - 1))], 3),
                "hub_lag_max_ms": round(every[-1], 3),
                "lagging_ms": round(sum(late - LAGGING_MS for late in late_ms if late > LAGGING_MS), 3),
                "cpu_percent": round(used_s / seconds * 100, 1) if seconds else 0.0,
                "rss_mb": resident_mb(),
                **self._levels(),
            }
        )


def missed_too(late_ms: list[float]) -> list[float]:
    """The lags with those of the beats that never came because one was late: L, L − 10 ms, L − 20 ms, …

    Without them a hub that is blocked half of the time would show one lag where there were fifty.
    """
    beat_ms = _BEAT_NS / 1e6
    return [late - step * beat_ms for late in late_ms for step in range(1 + int(late // beat_ms))]


def resident_mb() -> float | None:
    """Resident memory of this process in MB; None where the system does not tell (no /proc)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, IndexError):
        return None
