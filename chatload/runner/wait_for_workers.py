"""The wait of a headless master for its workers: it ends when they cannot come any more, or not in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chatload.engine.clock import CLOCK, Clock
from chatload.runner.locust_interface import Workers

LOOK_S = 0.5
WAIT_S = 600
"""--expect-workers-max-wait where it is not given: Locust would wait for ever."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How many workers a run waits for, and how long. `forked()`: how many of those that this process forked have not
    ended; None where others start them."""

    workers: int
    limit_s: float = WAIT_S
    forked: Callable[[], int] | None = None


def await_workers(
    workers: Workers, expected: Expected, give_up: Callable[[str], None], clock: Clock = CLOCK
) -> None:
    """Look until as many workers are ready as the run expects; `give_up(words)` when they cannot be."""
    count, started_ns = expected.workers, clock.now_ns()
    while (ready := len(workers.ready())) < count:
        living = count if expected.forked is None else expected.forked()
        if living < count:
            give_up(f"{count - living} of {count} worker processes ended before the run began")
            return
        if clock.now_ns() - started_ns > expected.limit_s * 1e9:
            give_up(
                f"{ready} of {count} workers connected within {expected.limit_s:g} s: start them, expect fewer "
                "(--expect-workers), or wait longer (--expect-workers-max-wait)"
            )
            return
        clock.sleep(LOOK_S)
