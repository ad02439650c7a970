"""Locust's master looks once a second whether its workers are there; the run begins up to a second late.

After Ctrl-C it leaves those that are there already waiting for a run.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import locust.main

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


def install() -> None:
    """Apply the patch."""
    locust.main.time = _Time()
