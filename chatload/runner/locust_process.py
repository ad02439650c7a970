"""Locust as the logic of a run sees it (locust_interface.py), on Locust's public interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import gevent
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import (
    STATE_CLEANUP,
    STATE_MISSING,
    STATE_RUNNING,
    STATE_STOPPED,
    MasterRunner,
    WorkerRunner,
)

from chatload.loads.user_classes import DECLARED, HOST, STARTED, USER_CURVE, DeclaredClass
from chatload.runner.local_users import LocalUsers
from chatload.runner.locust_options import values_of
from chatload.runner.locust_patches import processes
from chatload.runner.locust_patches.dispatcher import DispatcherFactory, Ramping, users_by_class
from chatload.runner.locust_patches.shape_hold import held
from chatload.runner.run_controller import RunController
from chatload.runner.session import Session
from chatload.runner.worker_agent import WorkerAgent

TAG_OPTIONS = ("tags", "exclude_tags")


def tasks_left(holder: Any, tags: set[str], without: set[str]) -> bool:
    """Whether a user class or TaskSet has a task that the tags leave, as Locust decides it when a run begins."""
    inner = getattr(holder, "tasks", None)
    if inner is not None:
        return type(holder).__name__ == "MarkovTaskSetMeta" or any(
            tasks_left(one, tags, without) for one in inner
        )
    own: set[str] = getattr(holder, "locust_tag_set", set())
    return not (tags and not own & tags) and not own & without


class LocustProcess:
    """Locust in this process. One per environment, which keeps it, so that users find their session."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._runner = environment.runner
        self.session: Session | None = None
        self._users_of: tuple[object, Mapping[str, Mapping[str, int]]] = None, {}
        environment.chatload_process = self

    @property
    def given_hosts(self) -> tuple[str | None, ...]:
        """That of the environment, that of the options, else those of classes: a locustfile may set any."""
        return *self._hosts_given, *self._hosts_of_classes

    @property
    def target_users(self) -> int:
        """Locust's target."""
        return int(self._runner.target_user_count)

    @property
    def users_per_s(self) -> float | None:
        """A master's rate; a local runner keeps none."""
        return getattr(self._runner, "spawn_rate", None) or None

    @property
    def is_running(self) -> bool:
        """A worker has a state of its own, which a stop by a signal leaves as it is."""
        stopping = self._runner.state in (STATE_CLEANUP, STATE_STOPPED)
        return not stopping and getattr(self._runner, "worker_state", self._runner.state) == STATE_RUNNING

    @property
    def stop_timeout_s(self) -> float:
        """--stop-timeout."""
        return float(self._environment.stop_timeout or 0.0)

    def option_values(self) -> dict[str, Any]:
        """The parsed options, and what the user classes declare."""
        shape = self._environment.shape_class
        values = values_of(self._environment)
        if not values[HOST]:
            values[HOST] = next(iter(self._hosts_of_classes), None)
        return {
            **values,
            DECLARED: self._declared,
            STARTED: self._started,
            USER_CURVE: type(shape).__name__ if shape is not None else "",
        }

    @property
    def is_ended_by_shape(self) -> bool:
        """Its greenlet stops the run."""
        shape = self._runner.shape_greenlet
        return shape is not None and shape is gevent.getcurrent()

    def _classes(self, picked: Sequence[str] = ()) -> list[Any]:
        """The user classes, or those that are picked, in the order of the locustfiles: Locust's own has none."""
        available = self._environment.available_user_classes or {}
        found = [available[name] for name in picked if name in available] or self._environment.user_classes
        order = {one: place for place, one in enumerate(available.values())}
        return sorted(found, key=lambda one: order.get(one, len(order)))

    def _declared(self, users: int, picked: Sequence[str] = ()) -> tuple[DeclaredClass, ...]:
        classes = self._classes(picked)
        (counts,) = users_by_class(classes, users, ("one",)).values()
        found = [one.declared(counts[one.__name__]) for one in classes if hasattr(one, "declared")]
        if any(self._hosts_given):  # Locust puts it in the place of all classes' own
            found = [replace(one, attributes={**one.attributes, HOST: None}) for one in found]
        tags, without = (getattr(self._environment.parsed_options, name, None) for name in TAG_OPTIONS)
        left = {one.__name__: tasks_left(one, set(tags or ()), set(without or ())) for one in classes}
        return tuple(replace(one, has_tasks=left[one.name]) for one in found)

    def _started(self, users: int, picked: Sequence[str] = ()) -> int:
        (counts,) = users_by_class(self._classes(picked), users, ("one",)).values()
        return sum(counts.values())

    @property
    def _hosts_given(self) -> tuple[str | None, ...]:
        return self._environment.host, self._environment.parsed_options.host

    @property
    def _hosts_of_classes(self) -> tuple[str, ...]:
        ours = [one for one in self._classes() if hasattr(one, "declared")]
        return () if any(self._hosts_given) else tuple(one.host for one in ours if one.host)

    def users_of(self, workers: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """As the dispatcher does it. It is asked often, and takes 2 µs a user, so the last answer is kept."""
        classes = self._environment.user_classes
        key = (tuple(workers), self.target_users, tuple(one.__name__ for one in classes))
        if key != self._users_of[0]:
            ours = {one.__name__ for one in classes if hasattr(one, "declared")}
            found = users_by_class(classes, self.target_users, workers)
            kept = {
                worker: {name: users for name, users in each.items() if name in ours}
                for worker, each in found.items()
            }
            self._users_of = key, kept
        return self._users_of[1]

    def local_users(self) -> LocalUsers:
        """Those of the runner."""
        return processes.local_users(self._runner)

    def report_request(self, **facts: Any) -> None:
        """Fire the event."""
        self._environment.events.request.fire(**facts)

    def stop(self) -> None:
        """As the web UI's button does."""
        self._runner.stop()

    def quit(self) -> None:
        """As the end of a headless run does."""
        processes.quit_once(self._runner)

    def kill_users(self, spawner: object, limit_s: float) -> None:
        """Kill their greenlets."""
        processes.kill_users(self._runner, spawner, limit_s)

    def leave(self, exit_code: int) -> None:
        """Not by SystemExit: a user that does not stop would keep Locust from ending."""
        processes.end_forked_workers()
        os._exit(exit_code)


def session_of(environment: Environment) -> Session | None:
    """The session that new users of an environment join."""
    process: LocustProcess | None = getattr(environment, "chatload_process", None)
    return process.session if process is not None else None


class LocustWorkers:
    """The workers of Locust's master."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner

    def ready(self) -> set[str]:
        """Those that have no users yet."""
        return {client.id for client in self._runner.clients.ready}

    def alive(self) -> set[str]:
        """All that Locust does not miss."""
        return {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}

    def send(self, worker: str, kind: str, data: Any) -> None:
        """By Locust's own messages."""
        self._runner.send_message(kind, data, client_id=worker)

    def listen(self, kind: str, listener: Callable[[object, Any], None]) -> None:
        """To Locust's own messages."""
        self._runner.register_message(kind, lambda environment, msg: listener(msg.node_id, msg.data))


class LocustMaster:
    """The master of Locust's worker."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self.worker = str(runner.client_id)
        self.has_same_terminal = bool(runner.environment.parsed_options.processes)

    def send(self, kind: str, data: Any) -> None:
        """What must arrive is sent again, and the master misses this worker."""
        with suppress(RPCError):
            self._runner.send_message(kind, data)

    def listen(self, kind: str, listener: Callable[[Any], None], *, concurrent: bool = False) -> None:
        """To Locust's own messages."""
        self._runner.register_message(
            kind, lambda environment, msg: listener(msg.data), concurrent=concurrent
        )

    def send_last_stats(self) -> None:
        """What Locust sends every 3 s."""
        processes.send_stats(self._runner)


def connect(environment: Environment, controller: RunController) -> None:
    """Have Locust tell `controller` of its runs, and ramp as it says."""
    ramping = Ramping(controller.on_ramp, controller.is_even, controller.workers, controller.on_late)
    environment.dispatcher_class = DispatcherFactory(ramping, controller.run_on)
    environment.events.test_start.add_listener(lambda **_: _start(environment, controller))
    environment.events.test_stopping.add_listener(lambda **_: controller.on_test_stopping())
    environment.events.test_stop.add_listener(lambda **_: controller.on_test_stop())


def _start(environment: Environment, controller: RunController) -> None:
    with held(environment):
        controller.on_test_start()


def connect_worker(environment: Environment, agent: WorkerAgent) -> None:
    """Have Locust tell `agent` when it is about to start users."""
    environment.events.test_start.add_listener(lambda **_: agent.on_test_start())
