"""Computes parts of a large run's report beside each other, in forks of this process, where there are cores for it."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import ParamSpec, TypeVar

LEAST_CORES, LEAST_TURNS, MOST_TURNS = 4, 4_000, 300_000
"""Forks are made from so many cores and turns on. Each takes memory of its own for what it touches: of more turns than
`MOST_TURNS` all forks together would take more than the run itself."""
FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGTERM)

Given = ParamSpec("Given")
Value = TypeVar("Value")


class Forks:
    """`begin` has a function computed by a fork of this process, and returns what waits for its value.

    Without forks, or where one fails, this process computes the function when its value is asked for, so that values
    and exceptions are always the same. Beware: a fork of a process with gevent has copies of its greenlets, which must
    not run: what is begun may neither wait nor sleep.
    """

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self._running: set[int] = set()

    def begin(
        self, of: Callable[Given, Value], *given: Given.args, **named: Given.kwargs
    ) -> Callable[[], Value]:
        """Have `of(...)` computed."""
        here = partial(of, *given, **named)
        return self._forked(here) if self._allowed else here

    def _forked(self, here: Callable[[], Value]) -> Callable[[], Value]:
        from posix import (
            fork,
        )  # not os.fork, which is gevent's in a run: it wakes the event loop of the child

        before = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_THE_TERMINAL)  # which the parent handles
        try:
            told = open(os.memfd_create("chatload"), "w+b", buffering=0)  # noqa: SIM115 - until the value is read
            child = fork()
            if not child:
                _tell(here, told.fileno())
        except OSError:  # no more open files, or processes
            return here
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._running.add(child)

        def value() -> Value:
            with told:
                if not self._ended_well(child):
                    return here()
                told.seek(0)
                found: Value = pickle.loads(told.read())
                return found

        return value

    def _ended_well(self, child: int) -> bool:
        self._running.discard(child)
        try:
            return os.waitpid(child, 0)[1] == 0
        except ChildProcessError:  # somebody else waited for it: nobody knows how it ended
            return False

    def end(self) -> None:
        """End those that still compute: nobody asks for their values any more."""
        for child in [*self._running]:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            self._ended_well(child)


def _tell(here: Callable[[], object], told: int) -> None:
    """Compute, write the value, and end without what Python does at its end: that is the parent's."""
    code = 1
    try:
        data = memoryview(pickle.dumps(here(), pickle.HIGHEST_PROTOCOL))
        while data:
            data = data[os.write(told, data) :]
        code = 0
    finally:
        os._exit(code)


@contextmanager
def forks(turns: int) -> Iterator[Forks]:
    """Makes forks for a run of so many turns, and ends them with the block, or with this process."""
    enough = LEAST_TURNS <= turns <= MOST_TURNS and cores() >= LEAST_CORES
    made = Forks(enough and sys.platform == "linux")
    atexit.register(made.end)  # after a second Ctrl-C this process ends without coming back to this block
    try:
        yield made
    finally:
        atexit.unregister(made.end)
        made.end()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
