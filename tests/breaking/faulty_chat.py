"""A locustfile whose users, listeners or greenlets go wrong in the way that FAULT names, for rows_failures.py."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent import monkey
from locust import events, task
from locust.exception import StopUser

from chatload.loads.chat import SHAPE
from chatload.locust_setup import install
from chatload.runner import locust_users

install(SHAPE)

FAULT = os.environ["FAULT"]
HOOKS = {
    "report": ("chatload.runner.finish", "keep_report"),
    "pulse": ("chatload.engine.health", "resident_mb"),
}
"""What is made to raise in the code of chatload itself."""


def planted(where: str) -> None:
    if where == FAULT:
        raise RuntimeError(f"planted in {where}")


if FAULT == "worker dies before it connects":
    os.register_at_fork(after_in_child=lambda: os._exit(7))


@events.request.add_listener
def heard(**_: Any) -> None:
    planted("listener")


@events.test_start.add_listener
def begins(**_: Any) -> None:
    planted("test_start")
    if FAULT == "journal":
        module = importlib.import_module("chatload.runner.run_folder")
        module.run_folder = with_folder_for_journal(module.run_folder)
    if FAULT in HOOKS:
        module, name = HOOKS[FAULT]
        setattr(importlib.import_module(module), name, lambda *_, **__: planted(FAULT))
    if FAULT == "timer":
        timer = gevent.get_hub().loop.timer(0.3)
        timer.start(planted, "timer")
        begins.timer = timer  # type: ignore[attr-defined]


def with_folder_for_journal(run_folder: Callable[..., Path]) -> Callable[..., Path]:
    """A run folder in which something else has the journal's name."""

    def made(*arguments: Any, **more: Any) -> Path:
        folder = run_folder(*arguments, **more)
        (folder / "journal-local.jsonl").mkdir()
        return folder

    return made


class ChatUser(locust_users.ChatUser):
    """A person at a keyboard, and something wrong."""

    def __init__(self, environment: Any) -> None:
        planted("constructor")
        super().__init__(environment)

    def on_start(self) -> None:
        planted("on_start")
        if FAULT == "StopUser":
            raise StopUser
        if FAULT == "killed":
            gevent.spawn_later(0.2, self.greenlet.kill, block=False)
            gevent.sleep(5)
        if FAULT == "no super":
            return
        super().on_start()
        planted("on_start, later")
        if FAULT == "greenlet":
            gevent.spawn_later(0.3, planted, "greenlet")

    @task
    def another(self) -> None:
        planted("task")
        if FAULT == "never stops, and an error":
            raise RuntimeError("planted")
        if FAULT == "sys.exit":
            sys.exit(0)
        self.hold_turn()

    def wait_time(self) -> float:
        planted("wait_time")
        return super().wait_time()

    def on_stop(self) -> None:
        planted("on_stop")
        if FAULT == "never stops, and an error":
            gevent.sleep(1e6)
        super().on_stop()


@events.init.add_listener
def ready(environment: Any, **_: Any) -> None:
    if FAULT == "worker dies at its start" and environment.parsed_options.worker:
        monkey.get_original("time", "sleep")(1.0)  # until the other one has come, too
        os._exit(7)
    if FAULT == "worker's session" and environment.parsed_options.worker:
        planted_in_session()


def planted_in_session() -> None:
    """Every session of this process fails to begin."""
    from chatload.runner import worker_agent as worker

    worker.Session = lambda *_: planted("worker's session")  # type: ignore[assignment, misc]
