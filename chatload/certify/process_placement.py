"""Gives each process of a measurement a core and a priority, as far as this machine allows it.

Containers, missing privileges, other systems and single cores allow less. The measurement is made in any case, and one
line states what was not done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

REALTIME_PRIORITY = 50


class Placement:
    """Sets core and priority of running processes; `not_done` lists what was not allowed."""

    def __init__(self) -> None:
        self.not_done: list[str] = []

    @property
    def words(self) -> str:
        """One line on what was not done; empty if all was done."""
        return f"not done on this machine: {'; '.join(self.not_done)}" if self.not_done else ""

    def server(self, pid: int) -> None:
        """Use the first core, with real-time priority: the server must send on time."""
        if self.core(pid, 0):
            self._try("real-time priority for the server", lambda: _realtime(pid))

    def client(self, pid: int, *, first: bool = False) -> None:
        """Use the last core; `first`: with priority over other processes on it."""
        self.core(pid, -1)
        if first:
            self._try("nice −20 for the client", lambda: _nice(pid))

    def core(self, pid: int, index: int) -> bool:
        """Keep a process on the `index`-th usable core; False if there is only one or it failed."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(cores) < 2:
            self._note("a core each for server and client (one core)" if cores else "a core each (not Linux)")
            return False
        return self._try("a core each for server and client", lambda: _on_core(pid, cores[index]))

    def _try(self, what: str, act: Callable[[], None]) -> bool:
        try:
            act()
        except (ProcessLookupError, FileNotFoundError):
            return False  # it has ended; its caller finds out
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
    """Set niceness −20, also for the process's autogroup where Linux has one."""
    os.setpriority(os.PRIO_PROCESS, pid, -20)
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        group.write_text("-20", encoding="ascii")


def _threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
