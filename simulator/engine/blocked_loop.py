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
from collections.abc import Callable, Generator, Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
TIMEOUT_S = 1.0
"""TIMEOUT_TO_PREVENT_DEADLOCK: a consumer that waited so long calls the step itself."""
OPEN_PASSES, NEW_PASSES = 2, 5
"""Passes from the arrival of a request to its coroutine, on an open and on a new connection."""


class _Wish(Enum):
    PASS = "go on in the next pass"
    STEP = "take an engine step now"


@dataclass(slots=True, eq=False)
class _Future:
    """Done once; its callbacks run in the pass after that."""

    done: bool = False
    callbacks: list[Callable[[], None]] = field(default_factory=list)


Coroutine = Generator["_Future | _Wish", None, None]


@dataclass(slots=True, eq=False)
class _Consumer:
    """The coroutine of a request: whether its output is set, who waits for that, and whether it is the last one."""

    output: bool = False
    finished: bool = False
    waiting: list[_Future] = field(default_factory=list)


class BlockedLoop(Generic[Key]):
    """See the module. `submit(key)` hands a request to the engine, `write(key)` writes what it has by now.

    The caller calls `advance` until it wants no step, takes each step that it wants, and reports it with `stepped`.
    """

    def __init__(self, submit: Callable[[Key], None], write: Callable[[Key], None]) -> None:
        self._submit, self._write = submit, write
        self._arrived: deque[tuple[Key, int]] = deque()
        self._ready: deque[Callable[[], None]] = deque()
        self._left = 0  # of the pass that is running
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._made = 0
        self._now_s = 0.0
        self._consumers: dict[Key, _Consumer] = {}
        self._stepping = False  # a coroutine is about to take a step, or takes it
        self._resume: Callable[[], None] | None = None

    @property
    def idle(self) -> bool:
        """Nothing is ready, and no step runs."""
        return not (self._ready or self._arrived or self._resume)

    def next_timer_s(self) -> float | None:
        """When the next consumer will have waited too long."""
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
        while self._resume is None:
            if not self._left:
                self._select()
                if not self._ready:
                    return False
                self._left = len(self._ready)
            self._left -= 1
            self._ready.popleft()()
        return True

    def stepped(self, outputs: Iterable[tuple[Key, bool]], now_s: float) -> None:
        """The step has ended at `now_s`; `outputs`: whose text grew or ended, and whether it ended."""
        self._now_s = max(self._now_s, now_s)
        self._stepping = False
        for key, finished in outputs:
            consumer = self._consumers.get(key)
            if consumer is not None:
                consumer.finished = finished
                consumer.output = True
                for future in consumer.waiting:
                    self._finish(future)
                consumer.waiting.clear()
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    # -- asyncio -------------------------------------------------------------------------------

    def _select(self) -> None:
        while self._arrived:
            key, passes = self._arrived.popleft()
            self._ready.append(self._after(passes, key))
        while self._timers and self._timers[0][0] <= self._now_s:
            self._ready.append(heapq.heappop(self._timers)[2])

    def _after(self, passes: int, key: Key) -> Callable[[], None]:
        """A callback that starts the request's coroutine so many passes later."""
        if passes == 1:
            return lambda: self._start(self._generate(key))
        return lambda: self._ready.append(self._after(passes - 1, key))

    def _start(self, coroutine: Coroutine, ended: _Future | None = None) -> None:
        """A task: it runs from the next pass on."""

        def resume() -> None:
            wish = next(coroutine, None)
            if wish is None:
                if ended is not None:
                    self._finish(ended)
            elif wish is _Wish.PASS:
                self._ready.append(resume)
            elif wish is _Wish.STEP:
                self._resume = resume
            elif isinstance(wish, _Future):
                self._then(wish, resume)

        self._ready.append(resume)

    def _finish(self, future: _Future) -> None:
        if not future.done:
            future.done = True
            self._ready.extend(future.callbacks)
            future.callbacks.clear()

    def _then(self, future: _Future, callback: Callable[[], None]) -> None:
        (self._ready if future.done else future.callbacks).append(callback)

    # -- AsyncLLMEngine ------------------------------------------------------------------------

    def _generate(self, key: Key) -> Coroutine:
        consumer = self._consumers[key] = _Consumer()
        self._submit(key)
        while True:
            if not self._stepping:
                yield from self._step()
            waiter = self._wait(consumer)
            yield waiter
            if self._consumers.get(key) is not consumer:
                return  # its client has gone
            if not consumer.output:
                continue  # it waited too long
            consumer.output = False
            finished = consumer.finished
            self._write(key)
            if finished:
                self._consumers.pop(key, None)
                if not self._stepping:
                    yield from self._step()
                return

    def _step(self) -> Coroutine:
        self._stepping = True
        yield _Wish.PASS
        yield _Wish.STEP

    def _wait(self, consumer: _Consumer) -> _Future:
        """asyncio.wait_for(event.wait()): a task of its own, whose end is passed on, and a timer."""
        waiter, ended = _Future(), _Future()
        self._made += 1
        heapq.heappush(self._timers, (self._now_s + TIMEOUT_S, self._made, lambda: self._finish(waiter)))
        self._start(self._event(consumer), ended)
        self._then(ended, lambda: self._finish(waiter))
        return waiter

    def _event(self, consumer: _Consumer) -> Coroutine:
        if not consumer.output:
            future = _Future()
            consumer.waiting.append(future)
            yield future
