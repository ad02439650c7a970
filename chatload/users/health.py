"""The load generator's own health: how late its hub runs, how much of a core it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import gevent

from chatload.clock import now_ns

_BEAT_S = 0.01


class Pulse:
    """Beats every 10 ms and notes how late each beat comes; reports once a second to `emit`."""

    def __init__(self, emit: Callable[[dict[str, Any]], None], levels: Callable[[], dict[str, int]]) -> None:
        self._emit, self._levels = emit, levels
        self._greenlet = gevent.spawn(self._beat)

    def stop(self) -> None:
        """Beat no more."""
        self._greenlet.kill(block=False)

    def _beat(self) -> None:
        second_ns, cpu_s = now_ns(), time.process_time()
        late_ms: list[float] = []
        while True:
            due_ns = now_ns() + round(_BEAT_S * 1e9)
            gevent.sleep(_BEAT_S)
            now = now_ns()
            late_ms.append(max(0.0, (now - due_ns) / 1e6))
            if now - second_ns >= 1_000_000_000:
                cpu_now_s = time.process_time()
                late_ms.sort()
                self._emit(
                    {
                        "kind": "health",
                        "at_ns": now,
                        "hub_lag_p99_ms": round(late_ms[int(0.99 * (len(late_ms) - 1))], 3),
                        "hub_lag_max_ms": round(late_ms[-1], 3),
                        "cpu_percent": round((cpu_now_s - cpu_s) / ((now - second_ns) / 1e9) * 100, 1),
                        "rss_mb": resident_mb(),
                        **self._levels(),
                    }
                )
                second_ns, cpu_s, late_ms = now, cpu_now_s, []


def resident_mb() -> float | None:
    """Resident memory of this process in MB; None where the system does not tell (no /proc)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, IndexError):
        return None
