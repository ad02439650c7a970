"""The event loop of vLLM 0.1.2's HTTP server, which stands still while the engine takes a step.

There is no background loop: the coroutine of some request calls the step itself, so everything else waits for it. What
happens between two steps is decided by passes of asyncio's loop, and this module counts them as asyncio does (Python
3.11): in a pass all callbacks run that were ready when it began, and a step happens inside of it. A request on an open
connection is handed to the engine in the third pass that sees it, one on a new connection in the sixth (accept,
transport, reader come before). A consumer whose output is set writes three passes later, whatever the newest text is
by then, and calls the next step itself if nobody else has: so under load an event carries two or three tokens.
Reference: vllm/engine/async_llm_engine.py of the tag, asyncio's selector_events.py and tasks.py, uvicorn 0.22.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
TIMEOUT_S = 1.0
"""TIMEOUT_TO_PREVENT_DEADLOCK: a consumer that waited so long calls the step itself."""
OPEN_PASSES, NEW_PASSES = 2, 5
"""Passes from the arrival of a request to its coroutine, on an open and on a new connection."""


@dataclass(slots=True, eq=False)
class _Consumer(Generic[Key]):
    """The coroutine of a request; `wait` counts how often it waited for output, since `since_s` for the last time.

    `listening`: the task that it waits with has run and found no output.
    """

    key: Key
    output: bool = False
    finished: bool = False
    listening: bool = False
    wait: int = 0
    since_s: float = 0.0


class BlockedLoop(Generic[Key]):
    """See the module. `submit(key)` hands a request to the engine, `write(key)` writes what it has by now.

    The caller calls `advance` until it wants no step, takes each step that it wants, and reports it with `stepped`.
    """

    def __init__(self, submit: Callable[[Key], None], write: Callable[[Key], None]) -> None:
        self._submit, self._write = submit, write
        self._arrived: deque[tuple[Key, int]] = deque()
        # Callbacks with a consumer, and the wait or the passes that they belong to.
        self._ready: deque[tuple[Callable[[_Consumer[Key], int], None], _Consumer[Key], int]] = deque()
        self._left = 0  # of the pass that is running
        self._timers: list[tuple[float, int, _Consumer[Key]]] = []
        self._made = 0
        self._now_s = 0.0
        self._consumers: dict[Key, _Consumer[Key]] = {}
        self._stepping = False  # a coroutine is about to take a step, or takes it
        self._caller: _Consumer[Key] | None = None  # who takes the step that is wanted

    @property
    def idle(self) -> bool:
        """Nothing is ready, and no step runs."""
        return not (self._ready or self._arrived or self._caller)

    def next_timer_s(self) -> float | None:
        """When the next consumer may have waited too long."""
        return self._timers[0][0] if self._timers and self._consumers else None

    def arrive(self, key: Key, *, new_connection: bool) -> None:
        """A request's bytes have come: the next pass sees them."""
        self._arrived.append((key, NEW_PASSES if new_connection else OPEN_PASSES))

    def forget(self, key: Key) -> None:
        """Its client has gone."""
        self._arrived = deque(each for each in self._arrived if each[0] != key)
        self._consumers.pop(key, None)

    def advance(self, now_s: float) -> bool:
        """Run passes until an engine step is wanted (True) or nothing is ready (False)."""
        self._now_s = max(self._now_s, now_s)
        while self._caller is None:
            if not self._left:
                self._select()
                if not self._ready:
                    return False
                self._left = len(self._ready)
            self._left -= 1
            callback, consumer, number = self._ready.popleft()
            callback(consumer, number)
        return True

    def stepped(self, outputs: Iterable[tuple[Key, bool]], now_s: float) -> None:
        """The step has ended at `now_s`; `outputs`: whose text grew or ended, and whether it ended."""
        self._now_s = max(self._now_s, now_s)
        self._stepping = False
        for key, finished in outputs:
            consumer = self._consumers.get(key)
            if consumer is not None:
                consumer.finished, consumer.output = finished, True
                if consumer.listening:
                    consumer.listening = False
                    self._ready.append((self._heard, consumer, consumer.wait))
        caller, self._caller = self._caller, None
        if caller is not None and self._here(caller):
            self._wait(caller)

    def _here(self, consumer: _Consumer[Key]) -> bool:
        return self._consumers.get(consumer.key) is consumer

    def _select(self) -> None:
        """What the sockets and the clock make ready."""
        while self._arrived:
            key, passes = self._arrived.popleft()
            consumer = self._consumers[key] = _Consumer(key)
            self._ready.append((self._enter, consumer, passes))
        while self._timers and self._timers[0][0] <= self._now_s:
            _, _, consumer = heapq.heappop(self._timers)
            if not self._here(consumer):
                continue
            late = consumer.since_s + TIMEOUT_S <= self._now_s
            if late:
                self._ready.append((self._waited_too_long, consumer, consumer.wait))
            self._remind(consumer, (self._now_s if late else consumer.since_s) + TIMEOUT_S)

    def _remind(self, consumer: _Consumer[Key], at_s: float) -> None:
        self._made += 1
        heapq.heappush(self._timers, (at_s, self._made, consumer))

    # -- a request's coroutine: AsyncLLMEngine.generate ----------------------------------------

    def _enter(self, consumer: _Consumer[Key], passes: int) -> None:
        """The passes of accept, transport, reader and tasks, then the engine."""
        if passes:
            self._ready.append((self._enter, consumer, passes - 1))
        elif self._here(consumer):
            self._submit(consumer.key)
            self._remind(consumer, self._now_s + TIMEOUT_S)
            self._step_or_wait(consumer)

    def _step_or_wait(self, consumer: _Consumer[Key]) -> None:
        if self._stepping:
            self._wait(consumer)
        else:
            self._call_step(consumer)

    def _call_step(self, consumer: _Consumer[Key]) -> None:
        """After `sleep(0)`, in the next pass."""
        self._stepping = True
        self._ready.append((self._take_step, consumer, 0))

    def _take_step(self, consumer: _Consumer[Key], _number: int) -> None:
        self._caller = consumer

    def _wait(self, consumer: _Consumer[Key]) -> None:
        """`asyncio.wait_for(event.wait())`: a task of its own, whose end is passed on."""
        consumer.wait += 1
        consumer.since_s = self._now_s
        consumer.listening = False
        self._ready.append((self._listen, consumer, consumer.wait))

    def _listen(self, consumer: _Consumer[Key], wait: int) -> None:
        """The task begins."""
        if wait != consumer.wait:
            return
        if consumer.output:
            self._ready.append((self._pass_on, consumer, wait))
        else:
            consumer.listening = True

    def _heard(self, consumer: _Consumer[Key], wait: int) -> None:
        """The task ends."""
        self._ready.append((self._pass_on, consumer, wait))

    def _pass_on(self, consumer: _Consumer[Key], wait: int) -> None:
        """Its end is passed on to the coroutine."""
        self._ready.append((self._go_on, consumer, wait))

    def _waited_too_long(self, consumer: _Consumer[Key], wait: int) -> None:
        if wait == consumer.wait:
            consumer.listening = False
            self._ready.append((self._go_on, consumer, wait))

    def _go_on(self, consumer: _Consumer[Key], wait: int) -> None:
        """The coroutine writes, unless it waited too long, and waits again or calls the next step."""
        if wait != consumer.wait or not self._here(consumer):
            return
        consumer.wait += 1
        if not consumer.output:
            self._step_or_wait(consumer)
            return
        consumer.output = False
        finished = consumer.finished
        self._write(consumer.key)
        if not finished:
            self._step_or_wait(consumer)
            return
        self._consumers.pop(consumer.key, None)
        if not self._stepping:
            self._call_step(consumer)
