"""Checks a plan against the limits of this machine: open files, memory, and one user of Locust a process where its
users are not the chat users."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
from pathlib import Path

from chatload.loads.load_shape import Load
from chatload.loads.plan import Plan

SPARE = 64
"""Descriptors Locust, the journal and the reader need beside the connections."""
KB_EACH, KB_A_PROCESS = 100, 60_000
"""Memory of a connection and its user, and of a process without any (docs/scale.md)."""


def limit_mistakes(plan: Plan, processes: int, *, here: bool) -> list[str]:
    """Why the plan does not fit its processes, one line for each limit with the remedy.

    `here`: all of them run on this machine, so that its memory counts; its limit of open files stands for all hosts.
    """
    load = plan.load
    connections = -(-load.least_connections // processes)
    return [
        *_locust_users(load, processes),
        *_open_files(load, connections),
        *(_memory(load, connections * processes, processes) if here else ()),
    ]


def allow_as_many_as_possible() -> None:
    """Raise this process's soft limit of open files to its hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_room(connections: int) -> None:
    """Make this process's table of open files large enough for so many connections, as far as its limit allows.

    Linux doubles a full table, for which a process of several threads waits 10 to 30 ms (`synchronize_rcu` in
    expand_fdtable of its fs/file.c). During a run no reply is read in that time.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = connections + SPARE
    if soft != resource.RLIM_INFINITY:
        last = min(last, soft - 1)
    with contextlib.suppress(OSError), open(os.devnull, "rb") as file:
        # Closed as a file: os.close may be gevent's, which waits for its hub.
        open(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, last), "rb").close()


def _locust_users(load: Load, processes: int) -> list[str]:
    """One user of Locust a process keeps all requests of loads without users of their own. More change nothing, and
    of a capacity search no level would ever end."""
    if load.own_users or load.users <= processes:
        return []
    return [
        f"--users {load.users}: has no effect in {load.called}, which has one Locust user a process, here {processes}: "
        f"set {load.sized_by}, or leave it out"
    ]


def _open_files(load: Load, connections: int) -> list[str]:
    needed = connections + SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or needed <= hard:
        return []
    spread = ""
    if hard > SPARE and not load.one_process:
        spread = f", or spread them with --processes {-(-connections // (hard - SPARE))}"
    return [
        f"{load.connections_option}: {connections:,} {load.connections_words} need {needed:,} open files "
        f"in one process, the limit is {hard:,}: raise it (ulimit -Hn), ask for fewer{spread}"
    ]


def _memory(load: Load, connections: int, processes: int) -> list[str]:
    needed_kb, free_kb = connections * KB_EACH + processes * KB_A_PROCESS, free_memory_kb()
    if free_kb is None or needed_kb <= free_kb:
        return []
    more = "" if load.one_process else ", or spread them over more machines with --worker"
    return [
        f"{load.connections_option}: {connections:,} {load.connections_words} need about "
        f"{needed_kb / 1e6:,.1f} GB of memory, {free_kb / 1e6:,.1f} GB are free here: ask for fewer{more}"
    ]


def free_memory_kb() -> int | None:
    """Memory that can still be had here, in kB: the machine's, or what is left of the container's."""
    found = [kb for kb in (_available_kb(), _left_of_group_kb()) if kb is not None]
    return min(found, default=None)


def _available_kb() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def _left_of_group_kb() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        most = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None  # no container, or no limit ("max")
    return max(0, most - used + int(stat.get("inactive_file", 0))) // 1000
