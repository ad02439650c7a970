"""Workarounds for Locust, all of them, each with the reason and a test that fails when it is no longer needed.

Made for the Locust pinned in requirements.txt; `install` refuses to guess about another one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import gevent
import locust
from locust import argument_parser
from locust.dispatch import UsersDispatcher

from chatload.clock import now_ns

MADE_FOR = "2.47."
BURST_S = 0.05
"""Users that are due within this time are dispatched together; each then waits for its own moment."""


def install() -> str | None:
    """Apply the patches; returns a sentence of doubt when Locust is not the version they were made for."""
    if not locust.__version__.startswith(MADE_FOR):
        return f"Locust {locust.__version__} is not the one chatload was made for ({MADE_FOR}x)"
    # Each spawn message makes a worker rebuild the whole argument parser once per option (77 ms each).
    if not hasattr(argument_parser.default_args_dict, "cache_info"):
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    return None


class EvenRamp(UsersDispatcher):
    """Locust's dispatcher, with one user every 1/rate s instead of a second's users in one burst.

    Users are dispatched a little early, in small groups on an absolute schedule; each user then waits
    until it is due, so that user k starts at start + k/rate however busy the dispatcher was.
    `announce(first_user, rate, worker_ids)` is called when a ramp begins; `even()` says whether to even.
    """

    def __init__(
        self,
        worker_nodes: list[Any],
        user_classes: list[type[Any]],
        announce: Callable[[int, float, Sequence[str]], None],
        even: Callable[[], bool],
    ) -> None:
        super().__init__(worker_nodes, user_classes)
        self._announce, self._even = announce, even
        self._ramp_start_ns, self._ramp_steps = 0, 0

    def new_dispatch(
        self, target_user_count: int, spawn_rate: float, user_classes: list[type[Any]] | None = None
    ) -> None:
        """Begin a ramp to `target_user_count` users at `spawn_rate` users/s."""
        super().new_dispatch(target_user_count, spawn_rate, user_classes)
        if self._even():
            together = max(1, math.floor(spawn_rate * BURST_S))
            self._user_count_per_dispatch_iteration = together
            self._wait_between_dispatch = together / spawn_rate
        self._ramp_start_ns, self._ramp_steps = now_ns(), 0
        self._announce(self._current_user_count, spawn_rate, [node.id for node in self._worker_nodes])

    @contextmanager
    def _wait_between_dispatch_iteration_context(self) -> Generator[None, None, None]:
        yield
        if self._current_user_count == self._target_user_count:
            return
        self._ramp_steps += 1
        due_ns = self._ramp_start_ns + round(self._ramp_steps * self._wait_between_dispatch * 1e9)
        gevent.sleep(max(0.0, (due_ns - now_ns()) / 1e9))
