"""The server's HTTP process: when a request reaches the engine, and when a token reaches the client.

One process reads and tokenises every request and writes every event, in an event loop; what is ready first is done
first:
  requests   all that have arrived are one batch: n sent together enter after n · per_request
  outputs    a stream whose token was made is written in per_event, with whatever tokens it has got by then
  read     = end of its writing + send
So a new user's first token waits for the events of all older streams of its step, and where n · per_event is more than
a step takes, the process is at its limit: tokens wait and leave several in an event.
Measured on an H100: of 64 requests sent at once, one enters at once and the rest some 80 ms later.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class FrontendCost:
    """The constants of the module's formula; `receive`: from the client to the process.

    `outputs_apart`: requests do not wait for outputs, which another process works on (lmdeploy's engine).
    """

    receive_ms: float = 0.0
    per_request_ms: float = 0.0
    per_prompt_token_us: float = 0.0
    per_event_us: float = 0.0
    send_ms: float = 0.0
    outputs_apart: bool = False


class Written(NamedTuple, Generic[Request]):
    """An event: whose it is, how many tokens it holds, and when the client reads it."""

    request: Request
    tokens: int
    read_s: float


class Frontend(Generic[Request]):
    """The requests that wait for the engine and the outputs that wait to be written. Calls must be in order of time."""

    def __init__(self, cost: FrontendCost) -> None:
        self.cost = cost
        self._per_event_s = cost.per_event_us / 1e6
        self._send_s = cost.send_ms / 1e3
        self._requests: deque[tuple[float, float, Request]] = deque()
        self._entering: deque[tuple[float, list[Request]]] = deque()
        self._outputs: deque[tuple[float, Request]] = deque()
        self._tokens: dict[Request, int] = {}
        self._written: list[Written[Request]] = []
        self._reader_free_s = self._writer_free_s = 0.0

    def arrive(self, sent_s: float, prompt_tokens: int, request: Request) -> None:
        """A request is sent at `sent_s`; call it in the order of sending."""
        work_s = self.cost.per_request_ms / 1e3 + self.cost.per_prompt_token_us * prompt_tokens / 1e6
        self._requests.append((sent_s + self.cost.receive_ms / 1e3, work_s, request))

    def output(self, made_s: float, request: Request, tokens: int = 1) -> None:
        """The engine has made tokens of a request; those of one step in its order."""
        self._work_until(made_s)
        if request in self._tokens:
            self._tokens[request] += tokens
        else:
            self._tokens[request] = tokens
            self._outputs.append((made_s, request))

    def forget(self, request: Request) -> None:
        """Its client has gone: what was made for it is not written."""
        if self._tokens.pop(request, None) is not None:
            self._outputs = deque(each for each in self._outputs if each[1] is not request)

    def advance(self, now_s: float) -> tuple[list[Request], list[Written[Request]]]:
        """The requests that have reached the engine since the last call, and the events whose writing has begun."""
        self._work_until(now_s)
        entered: list[Request] = []
        while self._entering and self._entering[0][0] <= now_s:
            entered += self._entering.popleft()[1]
        written, self._written = self._written, []
        return entered, written

    def _work_until(self, now_s: float) -> None:
        """Begin whatever can begin by now."""
        while True:
            begins_s, is_output = self._next_work()
            if begins_s > now_s:
                return
            if is_output:
                _made_s, request = self._outputs.popleft()
                ends_s = begins_s + self._per_event_s
                self._written.append(Written(request, self._tokens.pop(request), ends_s + self._send_s))
                self._writer_free_s = ends_s
            else:
                ends_s = self._reader_free_s = self._take_requests(begins_s)
            if not self.cost.outputs_apart:
                self._reader_free_s = self._writer_free_s = ends_s

    def _next_work(self) -> tuple[float, bool]:
        """When the next work begins if nothing else comes (inf: never), and whether it is an output."""
        output_s = max(self._writer_free_s, self._outputs[0][0]) if self._outputs else math.inf
        request_s = max(self._reader_free_s, self._requests[0][0]) if self._requests else math.inf
        if output_s == request_s < math.inf:
            return output_s, self._outputs[0][0] <= self._requests[0][0]
        return min(output_s, request_s), output_s < request_s

    def _take_requests(self, begins_s: float) -> float:
        """All that have arrived; returns when they enter."""
        batch: list[Request] = []
        ends_s = begins_s
        while self._requests and self._requests[0][0] <= begins_s:
            _arrived_s, work_s, request = self._requests.popleft()
            batch.append(request)
            ends_s += work_s
        self._entering.append((ends_s, batch))
        return ends_s

    def next_s(self) -> float | None:
        """The next instant at which the state changes if nothing else comes; None if it is empty."""
        next_s = min(self._next_work()[0], self._entering[0][0] if self._entering else math.inf)
        return None if next_s == math.inf else next_s
