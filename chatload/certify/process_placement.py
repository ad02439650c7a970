"""A core and a priority for each process of a measurement, where this machine allows it: nothing depends on it.

A container, a user without rights, another system or a single core allow less. The measurement is made all the same,
and says in one line what was not done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

REALTIME_PRIORITY = 50


class Placement:
    """Places processes right after their start; `not_done` has a sentence for each thing that was not allowed."""

    def __init__(self) -> None:
        self.not_done: list[str] = []

    @property
    def words(self) -> str:
        """One line: what was not done; empty where all was."""
        return f"not done on this machine: {'; '.join(self.not_done)}" if self.not_done else ""

    def server(self, pid: int) -> None:
        """The first core, ahead of all else: a server that is late leaves no truth to compare with."""
        if self.core(pid, 0):
            self._try("real-time priority for the server", lambda: _realtime(pid))

    def client(self, pid: int, *, first: bool = False) -> None:
        """The last core; `first`: before others that run there."""
        self.core(pid, -1)
        if first:
            self._try("nice −20 for the client", lambda: _nice(pid))

    def core(self, pid: int, index: int) -> bool:
        """Keep a process on one core, the `index`-th that we may use; True where there are two or more."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(cores) < 2:
            self._note("a core each for server and client (one core)" if cores else "a core each (not Linux)")
            return False
        return self._try("a core each for server and client", lambda: _on_core(pid, cores[index]))

    def _try(self, what: str, act: Callable[[], None]) -> bool:
        try:
            act()
        except (ProcessLookupError, FileNotFoundError):
            return False  # it is gone already, which whoever waits for it will tell
        except OSError as error:
            self._note(f"{what} ({error.strerror or error})")
            return False
        return True

    def _note(self, words: str) -> None:
        if words not in self.not_done:
            self.not_done.append(words)


def _on_core(pid: int, core: int) -> None:
    for thread in _threads(pid):
        os.sched_setaffinity(thread, {core})


def _realtime(pid: int) -> None:
    for thread in _threads(pid):
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))


def _nice(pid: int) -> None:
    """Also for its group where Linux groups by session; what has no such file needs none."""
    os.setpriority(os.PRIO_PROCESS, pid, -20)
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        group.write_text("-20", encoding="ascii")


def _threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
