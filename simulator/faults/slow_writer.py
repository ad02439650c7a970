"""The fault `slow-write`: a reply is sent byte by byte, each byte its own send."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from simulator.http.exchange import Exchange

INTERVAL_S = 0.005


class SlowWriter:
    """Queues writes and sends them at `bytes_per_s`; calls back when the last byte of a write is sent."""

    def __init__(self, exchange: Exchange, bytes_per_s: float) -> None:
        self._exchange = exchange
        self._bytes_per_interval = max(1, round(bytes_per_s * INTERVAL_S))
        self._queue: deque[tuple[bytes, Callable[[], None] | None]] = deque()
        self._at = 0
        self._then: Callable[[], None] | None = None
        self._running = False

    def send(self, data: bytes, sent: Callable[[], None]) -> None:
        """Queue one write; `sent` is called when its last byte is sent."""
        self._queue.append((data, sent))
        self._start()

    def then(self, call: Callable[[], None]) -> None:
        """Call `call` once the queue is empty."""
        self._then = call
        self._start()

    def _start(self) -> None:
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._send_some)

    def _send_some(self) -> None:
        for _ in range(self._bytes_per_interval):
            while self._queue and self._at >= len(self._queue[0][0]):
                sent = self._queue.popleft()[1]
                self._at = 0
                if sent is not None:
                    sent()
            if not self._queue:
                break
            self._exchange.send(self._queue[0][0][self._at : self._at + 1])
            self._at += 1
        if self._queue and self._exchange.open:
            asyncio.get_running_loop().call_later(INTERVAL_S, self._send_some)
            return
        self._running = False
        if not self._queue and self._then is not None:
            then, self._then = self._then, None
            then()
