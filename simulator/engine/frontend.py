"""The server's HTTP process: when a request reaches the engine, and when a token reaches the client.

One process reads and tokenises every request and writes every event. It is an asyncio loop: whatever is ready runs in
the order in which it became ready, for one callback, and then lines up again if it is not done.
  request    `request_callbacks` callbacks of equal length before it is in the engine, per_request together; the last
             one tokenises besides: per_prompt_token · prompt tokens
  step       the outputs of an engine's step are taken in: per_token each, SLICE of them in a callback
  event      one callback of per_event, with whatever tokens of its stream were taken in by then; read = its end + send
So requests that come together share the process and enter at nearly the same time; a request waits in each of its
callbacks for the events of all streams that are ready then; a first token waits for the events of all older streams of
its step. Where n · (per_token + per_event) is more than a step takes, the process is at its limit: tokens wait and
leave several in an event, and a request waits for as many rounds of all streams as it has callbacks. Where
n · per_token alone is more than that, each round takes longer than the one before until the engine runs dry.
Where the client runs on the same host, on any of its processors, it takes processor time from the process: an event
takes U(0, 2 · client_event) longer, drawn anew every CLIENT_SPELL_S. Measured on an H200, 100 chat users,
40 streams and more at once: with a client kept to two processors of 16 headers came after 6 ms in the middle and 32
at most, and no tokens shared an event; with one that was not, after 15 to 20 ms and up to 170, by spells of seconds.
Measured on an H200 (headers come when a request is about to enter): alone 3 ms, 8 together 9 to 13 ms, with 30 streams
7 ms, with 55 streams, the process's limit, 25 ms in the middle and up to 158 ms.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

SLICE = 128
"""Outputs in a callback: VLLM_V1_OUTPUT_PROC_CHUNK_SIZE of vllm/v1/engine/async_llm.py."""
CLIENT_SPELL_S = 2.0
"""So long the client takes the same of each event: see the module."""
Request = TypeVar("Request")
Outputs = Sequence[tuple[Request, int]]
"""Whose tokens, and how many."""


@dataclass(frozen=True, slots=True)
class FrontendCost:
    """The constants of the module's formula; `receive`: from the client to the process.

    `outputs_apart`: events are written by the engine's process (lmdeploy): requests do not wait for them, but no event
    is written while that process launches a step with prompts. `client_event`: see the module.
    """

    receive_ms: float = 0.0
    per_request_ms: float = 0.0
    request_callbacks: int = 1
    per_prompt_token_us: float = 0.0
    per_token_us: float = 0.0
    per_event_us: float = 0.0
    client_event_us: float = 0.0
    send_ms: float = 0.0
    outputs_apart: bool = False


class Written(NamedTuple, Generic[Request]):
    """An event: whose it is, how many tokens it holds, and when the client reads it."""

    request: Request
    tokens: int
    read_s: float


class _Ready(NamedTuple, Generic[Request]):
    """What lines up for the loop, and since when: a request with callbacks left, a step's outputs, or an event."""

    since_s: float
    request: Request | None
    callbacks: int = 0
    outputs: Outputs[Request] = ()


@dataclass(slots=True)
class _Loop(Generic[Request]):
    """One event loop: what is ready in its order, and when the callback that runs has ended."""

    ready: deque[_Ready[Request]] = field(default_factory=deque)
    free_s: float = 0.0


class Frontend(Generic[Request]):
    """The requests that wait for the engine and the outputs that wait to be written. Calls must be in order of time."""

    def __init__(self, cost: FrontendCost, seed: int = 0) -> None:
        self.cost = cost
        self._random = random.Random(seed)
        self._spell_ends_s = 0.0 if cost.client_event_us else math.inf
        self._per_token_s = cost.per_token_us / 1e6
        self._per_event_s = cost.per_event_us / 1e6
        self._per_callback_s = cost.per_request_ms / 1e3 / cost.request_callbacks
        self._send_s = cost.send_ms / 1e3
        self._arriving: deque[_Ready[Request]] = deque()
        self._reader: _Loop[Request] = _Loop()
        self._writer: _Loop[Request] = _Loop() if cost.outputs_apart else self._reader
        self._prompts: dict[Request, float] = {}
        self._entering: deque[tuple[float, Request]] = deque()
        self._tokens: dict[Request, int] = {}
        self._written: list[Written[Request]] = []

    def arrive(self, sent_s: float, prompt_tokens: int, request: Request) -> None:
        """A request is sent at `sent_s`; call it in the order of sending."""
        self._prompts[request] = self.cost.per_prompt_token_us * prompt_tokens / 1e6
        since_s = sent_s + self.cost.receive_ms / 1e3
        self._arriving.append(_Ready(since_s, request, self.cost.request_callbacks))

    def output(self, made_s: float, outputs: Outputs[Request]) -> None:
        """A step of the engine has made tokens of these requests, in its order."""
        self._work_until(made_s)
        if outputs and self._per_token_s:
            self._writer.ready.append(_Ready(made_s, None, outputs=outputs))
        else:
            self._take_in(outputs, made_s)

    def _take_in(self, outputs: Outputs[Request], now_s: float) -> None:
        """The streams of these tokens have an event to write, if they had none yet."""
        waiting, ready = self._tokens, self._writer.ready
        for request, tokens in outputs:
            if request in waiting:
                waiting[request] += tokens
            else:
                waiting[request] = tokens
                ready.append(_Ready(now_s, request))

    def hold_outputs(self, until_s: float) -> None:
        """The engine's process launches a step with prompts until then: see FrontendCost."""
        if self.cost.outputs_apart:
            self._writer.free_s = max(self._writer.free_s, until_s)

    def forget(self, request: Request) -> None:
        """Its client has gone: what was made for it is not written, unless it comes in a step that waits."""
        if self._tokens.pop(request, None) is not None:
            loop = self._writer
            loop.ready = deque(one for one in loop.ready if one.callbacks or one.request is not request)

    def advance(self, now_s: float) -> tuple[list[Request], list[Written[Request]]]:
        """The requests that have reached the engine since the last call, and the events whose writing has begun."""
        self._work_until(now_s)
        entered: list[Request] = []
        while self._entering and self._entering[0][0] <= now_s:
            entered.append(self._entering.popleft()[1])
        written, self._written = self._written, []
        return entered, written

    def _work_until(self, now_s: float) -> None:
        """Begin whatever can begin by now."""
        self._run(self._reader, now_s)
        if self._writer is not self._reader:
            self._run(self._writer, now_s)

    def _run(self, loop: _Loop[Request], now_s: float) -> None:
        ready = loop.ready
        while True:
            first_s = ready[0].since_s if ready else math.inf
            by_s = max(loop.free_s, min(first_s, now_s))
            if loop is self._reader and self._arriving and self._arriving[0].since_s <= by_s:
                ready.append(self._arriving.popleft())
                continue
            begins_s = max(loop.free_s, first_s)
            if begins_s > now_s:
                return
            self._run_callback(loop, ready.popleft(), begins_s)

    def _run_callback(self, loop: _Loop[Request], one: _Ready[Request], begins_s: float) -> None:
        """Its first callback; what is left of it lines up again."""
        request = one.request
        if request is None:
            now, later = one.outputs[:SLICE], one.outputs[SLICE:]
            loop.free_s = begins_s + len(now) * self._per_token_s
            self._take_in(now, loop.free_s)
            if later:
                loop.ready.append(_Ready(loop.free_s, None, outputs=later))
        elif not one.callbacks:
            if begins_s >= self._spell_ends_s:
                self._begin_spell(begins_s)
            loop.free_s = begins_s + self._per_event_s
            self._written.append(Written(request, self._tokens.pop(request), loop.free_s + self._send_s))
        elif one.callbacks > 1:
            loop.free_s = begins_s + self._per_callback_s
            loop.ready.append(_Ready(loop.free_s, request, one.callbacks - 1))
        else:
            loop.free_s = begins_s + self._per_callback_s + self._prompts.pop(request)
            self._entering.append((loop.free_s, request))

    def _begin_spell(self, now_s: float) -> None:
        """Draw what the client takes of an event until the next draw."""
        self._spell_ends_s = now_s + CLIENT_SPELL_S
        client_us = self._random.uniform(0.0, 2 * self.cost.client_event_us)
        self._per_event_s = (self.cost.per_event_us + client_us) / 1e6

    def next_s(self) -> float | None:
        """The next instant at which the state changes if nothing else comes; None if it is empty."""
        times_s = [self._entering[0][0]] if self._entering else []
        if self._arriving:
            times_s.append(max(self._reader.free_s, self._arriving[0].since_s))
        loops = (self._reader, self._writer)
        times_s += [max(loop.free_s, loop.ready[0].since_s) for loop in loops if loop.ready]
        return min(times_s, default=None)
