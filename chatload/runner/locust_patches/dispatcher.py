"""Locust's dispatcher: users come in one by one instead of in bursts, and stay on their worker."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gevent
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode

from chatload.engine.clock import now_ns

BURST_S = 0.05
"""Users that are due within this time are dispatched together; each then waits for its own moment."""


@dataclass(frozen=True, slots=True)
class Ramping:
    """What a dispatcher asks, and tells, the run controller.

    `announce(first_user, rate, worker_ids)`: a ramp begins. `even()`: whether to even it. `workers()`: those that
    were told of the run; empty where there are none to tell. `late(worker_id)`: this one came too late for it.
    """

    announce: Callable[[int, float, Sequence[str]], None]
    even: Callable[[], bool] = lambda: True
    workers: Callable[[], Collection[str]] = tuple
    late: Callable[[str], None] = lambda worker: None


class EvenDispatcher(UsersDispatcher):
    """Locust's dispatcher, with one user every 1/rate s instead of a second's users in one burst.

    Users are dispatched a little early, in small groups on an absolute schedule; each user then waits
    until it is due, so that user k starts at start + k/rate however busy the dispatcher was.

    Users stay on the worker they began on: Locust would assign all users anew whenever a worker comes or goes, which
    stops conversations in the middle and starts them again elsewhere.
    """

    def __init__(
        self,
        worker_nodes: list[Any],
        user_classes: list[type[Any]],
        ramping: Ramping,
    ) -> None:
        super().__init__(worker_nodes, user_classes)
        self._worker_nodes: list[Any]
        self._dispatcher_generator: Iterator[dict[str, dict[str, int]]]
        self._ramping = ramping
        self._begun = False
        self._late: set[str] = set()
        self._ramp_start_ns, self._ramp_steps = 0, 0

    def new_dispatch(
        self, target_user_count: int, spawn_rate: float, user_classes: list[type[Any]] | None = None
    ) -> None:
        """Begin a ramp to `target_user_count` users at `spawn_rate` users/s."""
        if not self._begun:
            self._begin()
        super().new_dispatch(target_user_count, spawn_rate, user_classes)
        # All are gone before the ramp: Locust's generator would raise StopIteration.
        if not self._worker_nodes:
            self._dispatcher_generator = iter([self._users_on_workers])
            return
        if target_user_count == self._current_user_count:
            return
        if self._ramping.even():
            together = max(1, math.floor(spawn_rate * BURST_S))
            self._user_count_per_dispatch_iteration = together
            self._wait_between_dispatch = together / spawn_rate
        self._ramp_start_ns, self._ramp_steps = now_ns(), 0
        workers = [node.id for node in self._worker_nodes]
        self._ramping.announce(self._current_user_count, spawn_rate, workers)

    def _begin(self) -> None:
        """Assign users to workers that were told of the run, and to no others."""
        self._begun = True
        told = self._ramping.workers()
        for node in [node for node in self._worker_nodes if told and node.id not in told]:
            self._worker_nodes.remove(node)
            self._is_late(node.id)
        self._sort_workers()
        self._users_on_workers = {
            node.id: {user_class.__name__: 0 for user_class in self._original_user_classes}
            for node in self._worker_nodes
        }
        self._worker_node_generator = itertools.cycle(self._worker_nodes)

    @property
    def dispatch_in_progress(self) -> bool:
        """Always: Locust asks when a worker came or went, and would dispatch anew if not."""
        return True

    def add_worker(self, worker_node: Any) -> None:
        """A worker reports: to take part if the run has not begun, back again, or too late."""
        known = worker_node.id in [node.id for node in self._worker_nodes]
        if not self._begun and not known:
            self._worker_nodes.append(worker_node)
        elif not known:
            self._is_late(worker_node.id)

    def remove_worker(self, worker_node: Any) -> None:
        """A worker is gone; in a run its users are not given to others."""
        if not self._begun:
            self._worker_nodes = [node for node in self._worker_nodes if node.id != worker_node.id]

    def _is_late(self, worker: str) -> None:
        if worker not in self._late:
            self._late.add(worker)
            self._ramping.late(worker)

    @contextmanager
    def _wait_between_dispatch_iteration_context(self) -> Generator[None, None, None]:
        yield
        if self._current_user_count == self._target_user_count:
            return
        self._ramp_steps += 1
        due_ns = self._ramp_start_ns + round(self._ramp_steps * self._wait_between_dispatch * 1e9)
        gevent.sleep(max(0.0, (due_ns - now_ns()) / 1e9))


def users_by_class(
    user_classes: Sequence[type[Any]], users: int, workers: Sequence[str]
) -> dict[str, dict[str, int]]:
    """How many users of each class each worker has when all are in, as Locust's dispatcher assigns them."""
    if not workers:
        return {}
    nodes = {f"{place:08d}": worker for place, worker in enumerate(workers)}  # it sorts them by name
    dispatcher = UsersDispatcher([WorkerNode(name) for name in nodes], list(user_classes))
    dispatcher.new_dispatch(users, spawn_rate=max(1, users))
    return {nodes[name]: found for name, found in next(dispatcher).items()}


class DispatcherFactory:
    """Makes Locust's dispatchers, one a run. `run()` is the run that goes on; None where none does.

    Locust asks for one when a run has begun, its master right before that; and again a minute after a worker fell
    silent, to start all its users again on the rest.
    """

    def __init__(self, ramping: Ramping, run: Callable[[], object]) -> None:
        self._ramping, self._run = ramping, run
        self._ramp: EvenDispatcher | None = None
        self._ramp_of: object = None

    def __call__(self, worker_nodes: list[Any], user_classes: list[type[Any]]) -> EvenDispatcher:
        """Locust's `dispatcher_class(worker_nodes, user_classes)`."""
        run = self._run()
        if self._ramp is not None and self._ramp_of is None:
            self._ramp_of = run  # made right before it
        if self._ramp is None or run is None or run is not self._ramp_of:
            self._ramp, self._ramp_of = EvenDispatcher(worker_nodes, user_classes, self._ramping), run
        return self._ramp
