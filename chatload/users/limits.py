"""What one process may hold: a descriptor for each connection, one climber."""

from __future__ import annotations

import resource

from chatload.plan import CapacityLoad, Load
from chatload.users.preflight import Unfit

SPARE = 64
"""Descriptors Locust, the journal and the reader need beside the connections."""


def allow_climbers(load: Load, processes: int) -> None:
    """One climber a process hears what the level is. Unfit where two would share one: no level would ever end."""
    if isinstance(load, CapacityLoad) and load.users > processes:
        raise Unfit(
            f"--users {load.users}: a capacity search has one Locust user a process, here {processes}, who keeps "
            "all users of a level: their number goes by --first and --most"
        )


def allow_connections(connections: int) -> None:
    """Raise this process's soft limit of open files as far as needed. Unfit where the hard limit forbids it."""
    needed = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Unfit(
            f"{connections:,} users need {needed:,} open files in one process, the limit is {hard:,}: "
            f"raise it (ulimit -Hn), or spread them with --processes {-(-connections // max(1, hard - SPARE))}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def allow_as_many_as_possible() -> None:
    """Raise this process's soft limit to its hard one: a worker is not told how many of the users it gets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
