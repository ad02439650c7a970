"""Workarounds for Locust, all of them, each with the reason and a test that fails when it is no longer needed.

Made for the Locust pinned in requirements.txt; `install` refuses to guess about another one.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import gevent
import locust
import psutil
from locust import argument_parser
from locust.dispatch import UsersDispatcher
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import zmqrpc
from locust.runners import MasterRunner

from chatload.engine.clock import now_ns
from chatload.model import output
from chatload.runner.local_users import LocalUsers
from chatload.runner.messages import STRANGE

MADE_FOR = "2.47."
BURST_S = 0.05
"""Users that are due within this time are dispatched together; each then waits for its own moment."""

_log = logging.getLogger("locust.chatload")


def install() -> str | None:
    """Apply the patches; returns a sentence of doubt when Locust is not the version they were made for."""
    if not locust.__version__.startswith(MADE_FOR):
        return f"Locust {locust.__version__} is not the one chatload was made for ({MADE_FOR}x)"
    # Each spawn message makes a worker rebuild the whole argument parser once per option (77 ms each).
    if not hasattr(argument_parser.default_args_dict, "cache_info"):
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    if not isinstance(zmqrpc.Server, functools.partial):
        zmqrpc.Server = functools.partial(_bind_or_exit, zmqrpc.Server)
        zmqrpc.BaseSocket.recv_from_client = _receive(zmqrpc.BaseSocket.recv_from_client)
        MasterRunner.handle_message = _handle(MasterRunner.handle_message)
    return None


def end_forked_workers() -> None:
    """End the workers that --processes has made: Locust leaves those behind that have not connected when it exits."""
    for child in forked_workers():
        with suppress(psutil.Error):
            child.terminate()


def forked_workers() -> list[psutil.Process]:
    """The workers that --processes has made and that have not ended.

    They are children with our own command line; others, such as a server that a locustfile started, are none.
    """
    here, found = psutil.Process(), []
    for child in here.children():
        with suppress(psutil.Error):  # one that has ended has no command line any more
            if child.cmdline() == here.cmdline():
                found.append(child)
    return found


def local_users(runner: Any) -> LocalUsers:
    """The users of a runner that runs users itself: a local one, or a worker's."""
    users = [greenlet.args[0] for greenlet in list(runner.user_greenlets) if greenlet.args]
    spawning = runner.spawning_greenlet
    return LocalUsers(
        wanted=runner.target_user_count,
        living=len(users),
        acting=sum(not getattr(user, "has_left", True) for user in users),
        spawning=spawning is None or not spawning.ready(),
    )


def send_stats(runner: Any) -> None:
    """A worker's report to its master, now: before it quits, Locust gives its last one 0.5 s at most."""
    runner._send_stats()


COUNTED = ("stats", "logs", "exception")


def _receive(receive: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`recv_from_client`. Most frames that are no msgpack end the greenlet that listens to the workers."""

    @functools.wraps(receive)
    def receive_or_say(socket: Any) -> Any:
        try:
            return receive(socket)
        except STRANGE as error:
            raise RPCReceiveError(f"a message that is none of ours ({type(error).__name__})") from error

    return receive_or_say


def _handle(handle: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
    """`handle_message`. One of another form than workers send ends that greenlet, too, or adds to what is counted."""

    @functools.wraps(handle)
    def handle_or_say(runner: Any, client_id: str, message: Any) -> None:
        if client_id not in runner.clients and message.type in COUNTED:
            return
        try:
            handle(runner, client_id, message)
        except STRANGE as error:
            _log.error("Unrecognized message detected: %s in one of %s", type(error).__name__, client_id[:60])

    return handle_or_say


def _bind_or_exit(server: Callable[[str, int], Any], host: str, port: int) -> Any:
    """The master's socket. Locust knows a busy port by words that pyzmq no longer uses, and ends in a traceback."""
    zmqrpc.Server = server  # a later one is Locust's own recovery, which must not end the process
    try:
        return server(host, port)
    except RPCError as error:
        output.write(sys.stderr, f"chatload: --master-bind-port {port}: {error}: name a free port\n")
        raise SystemExit(2) from None


@dataclass(frozen=True, slots=True)
class Ramping:
    """What a dispatcher asks, and tells, whoever controls the run.

    `announce(first_user, rate, worker_ids)`: a ramp begins. `even()`: whether to even it. `crew()`: the workers that
    were told of the run; empty where there are none to tell. `late(worker_id)`: this one came too late for it.
    """

    announce: Callable[[int, float, Sequence[str]], None]
    even: Callable[[], bool] = lambda: True
    crew: Callable[[], Collection[str]] = tuple
    late: Callable[[str], None] = lambda worker: None


class EvenDispatcher(UsersDispatcher):
    """Locust's dispatcher, with one user every 1/rate s instead of a second's users in one burst.

    Users are dispatched a little early, in small groups on an absolute schedule; each user then waits
    until it is due, so that user k starts at start + k/rate however busy the dispatcher was.

    And who began a run ends it: Locust would deal the users out anew whenever a worker comes or goes, which stops
    conversations in the middle and starts them again elsewhere.
    """

    def __init__(
        self,
        worker_nodes: list[Any],
        user_classes: list[type[Any]],
        ramping: Ramping,
    ) -> None:
        super().__init__(worker_nodes, user_classes)
        self._worker_nodes: list[Any]
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
        """Deal users out to those who were told of the run, and to nobody else."""
        self._begun = True
        crew = self._ramping.crew()
        for node in [node for node in self._worker_nodes if crew and node.id not in crew]:
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
        """A worker is gone; in a run its place stays its own, and nobody takes it."""
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


class DispatcherFactory:
    """Makes Locust's dispatchers, one a run. `running()` says whether a run goes on.

    A minute after a worker fell silent Locust makes another, to start all its users again on the rest.
    """

    def __init__(self, ramping: Ramping, running: Callable[[], bool]) -> None:
        self._ramping, self._running = ramping, running
        self._ramp: EvenDispatcher | None = None

    def __call__(self, worker_nodes: list[Any], user_classes: list[type[Any]]) -> EvenDispatcher:
        """Locust's `dispatcher_class(worker_nodes, user_classes)`."""
        if self._ramp is None or not self._running():
            self._ramp = EvenDispatcher(worker_nodes, user_classes, self._ramping)
        return self._ramp
