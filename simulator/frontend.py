"""The server's HTTP process: how long a request needs to reach the engine, and a token to leave.

One process parses and tokenises every request in an event loop. It works on all that have arrived as one
batch, so n requests sent together all enter after n · per_request, and a token made meanwhile waits too:
  entered = end of its batch;  batch ends = begins + n · per_request;  read = max(made, end of batch) + send
Seen on the measured H100: of 64 requests sent at once one enters at once and the rest some 80 ms later.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class FrontendCost:
    """The constants of the formula above the module; `receive`: from the client to the process."""

    receive_ms: float = 0.0
    per_request_ms: float = 0.0
    send_ms: float = 0.0


class Frontend(Generic[Request]):
    """The process's state: the batch in work and what waits behind it. Times only go forward."""

    def __init__(self, cost: FrontendCost) -> None:
        self.cost = cost
        self._waiting: deque[tuple[float, Request]] = deque()
        self._batch: list[Request] = []
        self._end_s = 0.0

    def arrive(self, sent_s: float, request: Request) -> None:
        """A request leaves its client; tell in the order of sending."""
        self._waiting.append((sent_s + self.cost.receive_ms / 1e3, request))

    def entered(self, now_s: float) -> list[Request]:
        """Those that have reached the engine since the last call."""
        done: list[Request] = []
        while True:
            if self._batch:
                if self._end_s > now_s:
                    return done
                done += self._batch
                self._batch = []
            if not self._waiting or self._waiting[0][0] > now_s:
                return done
            begins_s = max(self._end_s, self._waiting[0][0])
            while self._waiting and self._waiting[0][0] <= begins_s:
                self._batch.append(self._waiting.popleft()[1])
            self._end_s = begins_s + len(self._batch) * self.cost.per_request_ms / 1e3

    def next_s(self) -> float | None:
        """When something happens here if nothing else arrives; None if it is empty."""
        if self._batch:
            return self._end_s
        return self._waiting[0][0] if self._waiting else None

    def read_s(self, made_s: float) -> float:
        """When the client reads a token made at `made_s`."""
        busy_s = self._end_s if self._batch else 0.0
        return max(made_s, busy_s) + self.cost.send_ms / 1e3
