"""The server's HTTP process: when a request reaches the engine, and when a token reaches the client.

One process parses and tokenises every request in an event loop. It handles all requests that have arrived as one
batch, so n requests sent together enter after n · per_request, and a token made meanwhile waits too. A new user's
first token waits for the events of all n older streams of the same step:
  entered = end of its batch;  batch ends = begins + sum(per_request + per_prompt_token · prompt tokens)
  read = max(made, end of batch) + send + n · per_event
Measured on an H100: of 64 requests sent at once, one enters at once and the rest some 80 ms later.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class FrontendCost:
    """The constants of the module's formula; `receive`: from the client to the process."""

    receive_ms: float = 0.0
    per_request_ms: float = 0.0
    per_prompt_token_us: float = 0.0
    per_event_us: float = 0.0
    send_ms: float = 0.0


class Frontend(Generic[Request]):
    """The current batch and the requests waiting behind it. Calls must be in order of time."""

    def __init__(self, cost: FrontendCost) -> None:
        self.cost = cost
        self._waiting: deque[tuple[float, float, Request]] = deque()
        self._batch: list[Request] = []
        self._end_s = 0.0

    def arrive(self, sent_s: float, prompt_tokens: int, request: Request) -> None:
        """A request is sent at `sent_s`; call it in the order of sending."""
        work_s = self.cost.per_request_ms / 1e3 + self.cost.per_prompt_token_us * prompt_tokens / 1e6
        self._waiting.append((sent_s + self.cost.receive_ms / 1e3, work_s, request))

    def entered(self, now_s: float) -> list[Request]:
        """The requests that have reached the engine since the last call."""
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
            self._end_s = begins_s
            while self._waiting and self._waiting[0][0] <= begins_s:
                _arrived_s, work_s, request = self._waiting.popleft()
                self._batch.append(request)
                self._end_s += work_s

    def next_s(self) -> float | None:
        """The next instant at which the state changes if nothing else arrives; None if it is empty."""
        if self._batch:
            return self._end_s
        return self._waiting[0][0] if self._waiting else None

    def read_s(self, made_s: float, events_before: int = 0) -> float:
        """When the client reads a token made at `made_s`, written after `events_before` others."""
        busy_s = self._end_s if self._batch else 0.0
        return max(made_s, busy_s) + self.cost.send_ms / 1e3 + events_before * self.cost.per_event_us / 1e6
