"""How long Locust's master waits for its workers: a second at a time for them to come, half a second when they go.

After Ctrl-C it leaves those that are there already waiting for a run.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import gevent
import locust.main
import locust.runners

WAITS, LOOK_S = "start_automatic_run", 0.02
"""The function of locust.main that waits with `time.sleep(1)`; and how often (s) is looked instead."""


class _Time:
    """The module `time` for locust.main, where the sleep of that wait ends when all workers are there."""

    def __getattr__(self, name: str) -> Any:  # Any: whatever `time` has
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """As time.sleep; after Ctrl-C in the wait the workers that are there are told to quit."""
        caller = sys._getframe(1)
        if caller.f_code.co_name != WAITS or not {"runner", "options"} <= caller.f_locals.keys():
            time.sleep(seconds)
            return
        runner, wanted = caller.f_locals["runner"], caller.f_locals["options"].expect_workers
        until_s = time.monotonic() + seconds
        try:
            while len(runner.clients.ready) < wanted and (left_s := until_s - time.monotonic()) > 0:
                time.sleep(min(LOOK_S, left_s))
        except KeyboardInterrupt:
            runner.quit()
            raise


class _Gevent:
    """The package `gevent` for locust.runners, where the sleep of a master that quits ends when its workers have."""

    def __getattr__(self, name: str) -> Any:  # Any: whatever `gevent` has
        return getattr(gevent, name)

    @staticmethod
    def sleep(seconds: float = 0.0) -> None:
        """As gevent.sleep."""
        caller = sys._getframe(1)
        master = caller.f_locals.get("self") if caller.f_code.co_name == "quit" else None
        if not isinstance(master, locust.runners.MasterRunner):
            gevent.sleep(seconds)
            return
        until_s = time.monotonic() + seconds
        while len(master.clients) and (left_s := until_s - time.monotonic()) > 0:
            gevent.sleep(min(LOOK_S, left_s))


def install() -> None:
    """Apply the patches."""
    locust.main.time = _Time()
    locust.runners.gevent = _Gevent()
