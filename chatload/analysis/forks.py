"""Computes parts of a large run's summary in parallel, in forks of this process, if it has enough cores."""

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
"""Forks are made from so many cores and turns on. A fork copies the memory that it touches: beyond `MOST_TURNS` all
forks together would take more memory than the run itself."""
FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGTERM)

Given = ParamSpec("Given")
Value = TypeVar("Value")


class Forks:
    """Calls functions in forks of this process.

    If forks are not allowed, or one fails, this process calls the function itself when its value is read, so values
    and exceptions are the same either way. Beware: a fork of a process with gevent has copies of its greenlets, which
    must not run, so the functions may neither wait nor sleep.
    """

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self._running: set[int] = set()

    def begin(
        self, of: Callable[Given, Value], *given: Given.args, **named: Given.kwargs
    ) -> Callable[[], Value]:
        """Start `of(*given, **named)`; the returned function waits for its value."""
        here = partial(of, *given, **named)
        return self._forked(here) if self._allowed else here

    def _forked(self, here: Callable[[], Value]) -> Callable[[], Value]:
        # Not os.fork: during a run that is gevent's, which wakes the event loop of the child.
        from posix import fork

        before = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_THE_TERMINAL)  # the parent handles these
        try:
            result = open(os.memfd_create("chatload"), "w+b", buffering=0)  # noqa: SIM115 - closed by `value`
            child = fork()
            if not child:
                _write_value(here, result.fileno())
        except OSError:  # no more open files, or processes
            return here
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._running.add(child)

        def value() -> Value:
            with result:
                if not self._ended_well(child):
                    return here()
                result.seek(0)
                found: Value = pickle.loads(result.read())
                return found

        return value

    def _ended_well(self, child: int) -> bool:
        self._running.discard(child)
        try:
            return os.waitpid(child, 0)[1] == 0
        except ChildProcessError:  # other code has waited for it, so its exit code is unknown
            return False

    def end(self) -> None:
        """Kill the forks whose values were not read."""
        for child in [*self._running]:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            self._ended_well(child)


def _write_value(here: Callable[[], object], result: int) -> None:
    """In the fork: write the pickled value to a file descriptor and exit, without Python's exit handlers."""
    code = 1
    try:
        data = memoryview(pickle.dumps(here(), pickle.HIGHEST_PROTOCOL))
        while data:
            data = data[os.write(result, data) :]
        code = 0
    finally:
        os._exit(code)


@contextmanager
def forks(turns: int) -> Iterator[Forks]:
    """Forks for a run of `turns` turns; those left are killed at the end of the block or of this process."""
    enough = LEAST_TURNS <= turns <= MOST_TURNS and cores() >= LEAST_CORES
    made = Forks(enough and sys.platform == "linux")
    atexit.register(made.end)  # a second Ctrl-C ends this process without leaving this block
    try:
        yield made
    finally:
        atexit.unregister(made.end)
        made.end()


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
