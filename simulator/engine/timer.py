"""A timer for an absolute instant: a timerfd on Linux, because the event loop's timers round to 1 ms."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

CLOCK_MONOTONIC = 1
TFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
TFD_TIMER_ABSTIME = 1


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class AbsoluteTimer:
    """Calls `callback` at or right after the instant it was last set to; setting it again replaces that."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._on_timer = callback
        self._timer: asyncio.TimerHandle | None = None
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC) if self._libc else -1
        self._spec = _Itimerspec()
        if self._fd >= 0:
            loop.add_reader(self._fd, self._fired)

    def _fired(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
            self._on_timer()

    def set(self, at_ns: int) -> None:
        """Call back at `at_ns` (CLOCK_MONOTONIC); at once if that is past."""
        if self._fd < 0 or self._libc is None:
            self.cancel()
            delay_s = max(0, at_ns - time.perf_counter_ns()) / 1e9
            self._timer = self._loop.call_later(delay_s, self._on_timer)
            return
        self._spec.value_s, self._spec.value_ns = divmod(max(1, at_ns), 1_000_000_000)
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None)

    def cancel(self) -> None:
        """Do not call back."""
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0 and self._libc is not None:
            self._spec.value_s = self._spec.value_ns = 0
            self._libc.timerfd_settime(self._fd, 0, ctypes.byref(self._spec), None)

    def close(self) -> None:
        """Release the timer."""
        self.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
