"""The wait of a headless master for its workers: it ends when they cannot come any more, or not in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent

from chatload.runner.locust_patches import forked_workers

LOOK_S = 0.5
WAIT_S = 600
"""--expect-workers-max-wait where it is not given: Locust would wait for ever."""


def await_workers(runner: Any, options: Any, give_up: Callable[[str], None]) -> None:
    """Look until as many workers are ready as the run expects; `give_up(words)` when they cannot be."""
    expected, started = options.expect_workers, time.monotonic()
    limit_s = options.expect_workers_max_wait or WAIT_S
    while len(runner.clients.ready) < expected:
        ready = len(runner.clients.ready)
        living = len(forked_workers()) if options.processes else expected
        if living < expected:
            give_up(f"{expected - living} of {expected} worker processes ended before the run began")
            return
        if time.monotonic() - started > limit_s:
            give_up(
                f"{ready} of {expected} workers connected within {limit_s} s: start them, expect fewer "
                "(--expect-workers), or wait longer (--expect-workers-max-wait)"
            )
            return
        gevent.sleep(LOOK_S)
