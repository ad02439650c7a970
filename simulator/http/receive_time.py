"""The arrival time of bytes: the kernel's timestamp of a read (Linux), else the clock after it.

A busy simulator reads requests late; with the clock, that delay would look like the client's.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
"""Linux, asm-generic/socket.h: a timespec of CLOCK_REALTIME with each read."""
_TIMESPEC = struct.Struct("qq")

now_ns = time.perf_counter_ns


class ClockOffset:
    """CLOCK_REALTIME − CLOCK_MONOTONIC, measured every second because clock adjustments change it."""

    def __init__(self) -> None:
        self._ns = 0
        self._taken_ns = -(1 << 62)

    def ns(self) -> int:
        """The current offset."""
        if now_ns() - self._taken_ns > 1_000_000_000:
            readings = []
            for _ in range(9):
                before, wall, after = now_ns(), time.time_ns(), now_ns()
                readings.append((after - before, wall - (before + after) // 2))
            self._ns, self._taken_ns = min(readings)[1], now_ns()
        return self._ns


_OFFSET = ClockOffset()


def enable_timestamps(sock: socket.socket) -> None:
    """Have the kernel stamp what arrives on `sock`, or on what a listening `sock` accepts."""
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def read(sock: socket.socket, size: int) -> tuple[bytes, int]:
    """(the bytes that are there, the instant of their arrival in ns). OSError as `recv` raises it."""
    if sys.platform != "linux":
        return sock.recv(size), now_ns()
    data, ancillary, _, _ = sock.recvmsg(size, 64)
    if not ancillary:
        return data, now_ns()
    seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
    return data, min(now_ns(), seconds * 1_000_000_000 + nanoseconds - _OFFSET.ns())
