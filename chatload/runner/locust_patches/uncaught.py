"""Tells a supervisor what nobody caught: gevent prints such an error, Locust logs it, and both go on without.

Beware: Locust logs an exception as text, from the handler that caught it, so it is still the current one then.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
import locust
from locust import User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

from chatload.runner.supervisor import Supervisor

CONTROL = (StopUser, StopTest, InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately)
"""Exceptions that are Locust's way to say something; no errors."""
SWALLOWS = frozenset({"event", "log", "runners", "task", "users"})
"""Locust's modules that log an error and go on."""
_LOCUST = str(Path(locust.__file__).parent)


def tell(supervisor: Supervisor, environment: Any) -> None:
    """From here on `supervisor` is told of errors in greenlets, in the hub, in users and in listeners."""
    hub = gevent.get_hub()
    hub.handle_error = greenlet_errors(supervisor, hub.handle_error)
    environment.events.user_error.add_listener(
        lambda exception, **_: not is_of_another_user(exception) and supervisor.raised(exception)
    )
    logged = Logged(supervisor)
    for name in ("", "locust"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(logged)


def greenlet_errors(supervisor: Supervisor, otherwise: Callable[..., None]) -> Callable[..., None]:
    """The hub's `handle_error(context, type, value, traceback)` that asks the supervisor first.

    `sys.exit()` in a user would end the process without closing the run.
    """

    def handle_error(context: Any, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(
            error, KeyboardInterrupt
        ):  # Ctrl-C came while a timer or a user was at work: nothing to print
            gevent.get_hub().handle_system_error(kind, error, trace)
            return
        if isinstance(error, SystemExit):
            ours = _is_user(context)
        else:
            ours = isinstance(error, Exception) and not _is_known(context, error)
        if not ours or not supervisor.raised(error.with_traceback(trace)):
            otherwise(context, kind, error, trace)

    return handle_error


def _is_known(context: Any, error: Exception) -> bool:
    """Whether somebody else deals with an error: the web server, whose context is a request's WSGI environment, or
    who waits for a thread, whose context is a pair, or Locust and gevent, to which it is no error."""
    return isinstance(context, Mapping | tuple) or isinstance(error, (*CONTROL, *gevent.get_hub().NOT_ERROR))


def is_of_another_user(error: BaseException | None) -> bool:
    """Whether an error is of a user who is none of ours, such as an HttpUser: Locust counts and logs these.

    Locust catches it in the `run` of a user, or of a task set, which has its user. A greenlet that is being killed
    does not tell whose it is.
    """
    trace = error.__traceback__ if error is not None else None
    caught_by = trace.tb_frame.f_locals.get("self") if trace is not None else None
    user = getattr(caught_by, "user", caught_by)
    return isinstance(user, User) and not hasattr(user, "has_left")


def _is_user(greenlet: Any) -> bool:
    return any(isinstance(one, User) for one in getattr(greenlet, "args", ()))


class Logged(logging.Filter):
    """Takes what Locust logs with a traceback because it goes on without it."""

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__()
        self._supervisor = supervisor

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a record that the supervisor has taken."""
        swallows = record.module in SWALLOWS and record.pathname.startswith(_LOCUST)
        traced = record.exc_info or "Traceback (most recent call last)" in record.getMessage()
        if record.levelno < logging.ERROR or not swallows or not traced:
            return True
        error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
        if isinstance(error, CONTROL):
            return False
        if is_of_another_user(error):
            return True
        return not (isinstance(error, Exception) and self._supervisor.raised(error))
