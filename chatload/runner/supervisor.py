"""Ends a run in which an exception was raised that nothing caught: once, with one line of cause.

One supervisor a process. A worker's ends the run by telling its master, the master's and the local one's by closing
the run. What gevent and Locust would print or log and then forget comes here through runner/locust_patches/uncaught.py.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import gevent

from chatload.engine.api_key import api_key
from chatload.model.errors import UsageError
from chatload.model.sanitize import printable
from chatload.runner.no_server import Unfit

MOST_WORDS = 400
SERVER_FAULT, OUR_FAULT, NOT_WHOLE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run failed, in one line; the exit code it calls for; the calls that led there, the last one last."""

    words: str
    exit_code: int = OUR_FAULT
    where: tuple[str, ...] = ()


class Supervisor:
    """Between `begin` and `done`, the first failure ends the run: `end(cause)` runs in a greenlet of its own.

    Failures after the first one are those of a run that is ending: they are taken, and say nothing.
    """

    def __init__(self, end: Callable[[Cause], None]) -> None:
        self._end = end
        self._on = False
        self.cause: Cause | None = None

    def begin(self) -> None:
        """A run begins."""
        self._on, self.cause = True, None

    def done(self) -> None:
        """The run is over: later failures are not its own."""
        self._on = False

    def fail(self, cause: Cause) -> None:
        """The run cannot go on."""
        if self._on and self.cause is None:
            self.cause = cause
            gevent.spawn(self._end, cause)

    def raised(self, error: BaseException) -> bool:
        """Take an error that nobody caught; False where no run is on, and it must be shown as it is."""
        if not self._on and self.cause is None:
            return False
        self.fail(cause_of(error))
        return True

    def watching(self) -> Watching:
        """`with supervisor.watching():` an error in there ends the run, and goes no further."""
        return Watching(self)


class Watching:
    """A part of the run's own code, such as a listener whose errors Locust would log and forget."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, Exception) and self._supervisor.raised(error)


def cause_of(error: BaseException) -> Cause:
    """The cause that an error is, in one line that never holds the API key."""
    calls = _calls(error)
    if isinstance(error, UsageError):
        return Cause(_one_line("; ".join(error.lines)), where=calls)
    if isinstance(error, Unfit):
        return Cause(_one_line(str(error)), SERVER_FAULT, calls)
    if isinstance(error, OSError) and error.filename is not None:
        words = f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        words = "no memory is left"
    elif isinstance(error, SystemExit):
        words = f"sys.exit({error.code}) was called"
    else:
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    place = f" ({calls[-1]})" if calls else ""
    return Cause(_one_line(words, MOST_WORDS - len(place)) + place, where=calls)


def _one_line(text: str, most: int = MOST_WORDS) -> str:
    return printable(api_key().hidden(text), most)


def _calls(error: BaseException) -> tuple[str, ...]:
    """`file:line in function` of each call of ours and of the locustfile's: those of libraries say little."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        name = _ours(frame.filename)
        if name:
            found.append(f"{name}:{frame.lineno} in {frame.name}")
    return tuple(found)


def _ours(file: str) -> str:
    """The file's name as short as it can be told; empty for a library's."""
    path, package = Path(file), Path(__file__).parents[1]
    if path.is_relative_to(package):
        return str(path.relative_to(package.parent))
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    if not path.is_absolute() or any(path.is_relative_to(folder) for folder in libraries):
        return ""
    try:
        return str(path.relative_to(Path(os.curdir).absolute()))
    except (ValueError, FileNotFoundError):
        return path.name
