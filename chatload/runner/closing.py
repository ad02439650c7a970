"""Closes a run: each part of it comes to its end, whatever happens to the others; then the reports are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment

from chatload.runner.capacity_search import CapacitySearch
from chatload.runner.run_folder import RunFolder
from chatload.runner.server_metrics import ServerMetrics
from chatload.runner.session import session_of, set_session
from chatload.runner.supervisor import Supervisor
from chatload.runner.worker_registry import WorkerRegistry

STOP_S = 1.5
"""How long the users of a run that failed may take to stop."""


@dataclass(slots=True)
class RunParts:
    """What a run consists of in the process that starts and ends it. `registry` is there once its workers were told."""

    folder: RunFolder
    registry: WorkerRegistry | None = None
    metrics: ServerMetrics | None = None
    search: CapacitySearch | None = None
    helpers: list[gevent.Greenlet] = field(default_factory=list)


def close(
    parts: RunParts,
    environment: Environment,
    supervisor: Supervisor,
    how: tuple[str, Callable[[Path], int]],
    caller: gevent.Greenlet,
) -> int:
    """Close the run and return its exit code. `how`: the reason, and what writes the reports.

    `caller` asked for it, and may be a helper that has more to do.
    """
    reason, judge = how
    for step in (_drain, _stop_metrics, _close_session, _note_capacity):
        with supervisor.watching():
            step(parts, environment, reason)
    for helper in parts.helpers:
        if helper is not caller:
            helper.kill(block=False)

    if supervisor.cause is not None:
        parts.folder.failed(supervisor.cause)
    return parts.folder.close(reason, judge)


def stop_users(runner: Any, starter: object) -> None:
    """Stop a failed run's users of this process, and `starter`, the greenlet that starts them, without waiting long."""
    if isinstance(starter, gevent.Greenlet) and starter is not gevent.getcurrent():
        starter.kill(block=False)
    runner.user_greenlets.kill(block=True, timeout=STOP_S)


def _drain(parts: RunParts, environment: Environment, reason: str) -> None:
    if parts.registry is not None:
        parts.registry.drain(at_once=reason == "failed")


def _stop_metrics(parts: RunParts, environment: Environment, reason: str) -> None:
    if parts.metrics is not None:
        parts.metrics.stop()


def _close_session(parts: RunParts, environment: Environment, reason: str) -> None:
    session = session_of(environment)
    if session is not None:
        set_session(environment, None)
        session.close(reason)
        parts.folder.problem(session.journal.problem)


def _note_capacity(parts: RunParts, environment: Environment, reason: str) -> None:
    if parts.search is not None:
        parts.folder.manifest.capacity = parts.search.facts
        parts.search = None
