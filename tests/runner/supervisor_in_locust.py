"""What ends a run that went wrong: supervisor, crowd, what nobody caught, and the wait for workers."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust import User
from locust.exception import StopUser

from chatload.model.errors import UsageError
from chatload.runner import wait_for_workers as muster
from chatload.runner.closing import RunParts, close
from chatload.runner.local_users import Crowd, crowd_of
from chatload.runner.preflight import Unfit
from chatload.runner.run_folder import RunFolder
from chatload.runner.supervisor import MOST_WORDS, Cause, Supervisor, cause_of
from chatload.runner.uncaught import Logged, greenlet_errors
from chatload.store.manifest import Manifest
from tests.plans import planned


def supervisor() -> tuple[Supervisor, list[Cause]]:
    """One whose run is on, and what it ended with."""
    ended: list[Cause] = []
    made = Supervisor(ended.append)
    made.begin()
    return made, ended


def raised(error: BaseException) -> BaseException:
    """The error with a traceback of this file."""
    try:
        raise error
    except type(error) as found:
        return found


# -- the supervisor


def test_the_first_failure_ends_the_run_once() -> None:
    made, ended = supervisor()
    made.fail(Cause("first"))
    assert made.raised(ValueError("second"))
    gevent.sleep(0)
    assert ended == [Cause("first")] == [made.cause]


def test_outside_a_run_an_error_is_shown_as_it_is() -> None:
    made, ended = supervisor()
    made.done()
    assert not made.raised(ValueError("nobody's"))
    with pytest.raises(ValueError, match="nobody's"), made.watching():
        raise ValueError("nobody's")
    gevent.sleep(0)
    assert ended == []


def test_after_a_failure_errors_of_the_ending_run_say_nothing() -> None:
    made, _ = supervisor()
    made.fail(Cause("first"))
    made.done()
    assert made.raised(ValueError("late"))


def test_a_new_run_can_fail_again() -> None:
    made, ended = supervisor()
    made.fail(Cause("first"))
    made.begin()
    made.fail(Cause("second"))
    gevent.sleep(0)
    assert [cause.words for cause in ended] == ["first", "second"]


def test_a_watched_error_goes_no_further_and_a_kill_does() -> None:
    made, ended = supervisor()
    with made.watching():
        raise ValueError("a listener's")
    gevent.sleep(0)
    assert len(ended) == 1
    with pytest.raises(gevent.GreenletExit), made.watching():
        raise gevent.GreenletExit


# -- its words


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (UsageError(["--a: one", "--b: two"]), "--a: one; --b: two", 2),
        (Unfit("HTTP 500"), "HTTP 500", 1),
        (OSError(13, "Permission denied", "/x/run"), "/x/run: Permission denied (", 2),
        (OSError("socket is closed"), "OSError: socket is closed (", 2),
        (KeyError("a\n::error::b"), "KeyError: 'a\\n::error::b' (", 2),
        (ValueError("two\nlines\x1b[31m"), "ValueError: two lines [31m (", 2),
        (ValueError(), "ValueError (", 2),
        (MemoryError(), "no memory is left (", 2),
        (SystemExit(3), "sys.exit(3) was called (", 2),
    ],
)
def test_a_cause_is_one_line(error: BaseException, words: str, code: int) -> None:
    cause = cause_of(raised(error))
    assert cause.words.startswith(words)
    assert (cause.exit_code, len(cause.words.splitlines())) == (code, 1)
    assert "supervisor_in_locust.py" in cause.where[-1]


def test_a_cause_is_short_and_still_names_its_place() -> None:
    cause = cause_of(raised(ValueError("x" * 10_000)))
    assert len(cause.words) <= MOST_WORDS
    assert cause.words.endswith(" in raised)")


def test_a_cause_never_holds_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    assert "canary" not in cause_of(ValueError("Bearer sk-canary-5150")).words


def test_a_place_is_ours_or_the_locustfile_s_and_no_library_s() -> None:
    try:
        logging.Formatter("%(", style="%")
    except ValueError as error:
        cause = cause_of(error)
    assert all("logging" not in call for call in cause.where)
    assert len(cause.where) == 1


# -- what nobody caught


def test_errors_of_greenlets_and_timers_are_taken_and_those_of_web_requests_are_not() -> None:
    made, ended = supervisor()
    shown: list[Any] = []
    handle = greenlet_errors(made, lambda *what: shown.append(what))
    environ = {"PATH_INFO": "/stats/requests"}
    handle(environ, ValueError, ValueError("of a page"), None)
    handle(SimpleNamespace(), SystemExit, SystemExit(0), None)
    handle(SimpleNamespace(), StopUser, StopUser(), None)
    handle((object(), len), ValueError, ValueError("of a thread that somebody waits for"), None)
    assert (len(shown), made.cause) == (4, None)
    handle(SimpleNamespace(), ValueError, ValueError("of a timer"), None)
    gevent.sleep(0)
    assert len(shown) == 4
    assert ended[0].words == "ValueError: of a timer"


def test_a_host_that_nobody_knows_is_no_error_of_a_greenlet() -> None:
    """gevent looks names up in a thread, and tells the hub of an error there as well as who waits for it."""
    made, _ = supervisor()
    hub = gevent.get_hub()
    before, hub.handle_error = hub.handle_error, greenlet_errors(made, hub.handle_error)
    try:
        with pytest.raises(OSError):
            socket.getaddrinfo("no-such-host.invalid", 80)
        with pytest.raises(ZeroDivisionError):
            hub.threadpool.apply(divmod, (1, 0))
    finally:
        hub.handle_error = before
    assert made.cause is None


def test_a_user_that_calls_sys_exit_ends_the_run_and_not_the_process() -> None:
    made, _ = supervisor()
    shown: list[Any] = []
    user = User(SimpleNamespace())
    handle = greenlet_errors(made, lambda *what: shown.append(what))
    handle(SimpleNamespace(args=(user,)), SystemExit, SystemExit(0), None)
    assert made.cause == Cause("sys.exit(0) was called")
    assert not shown


def record(words: str, *, module: str = "event.py", level: int = logging.ERROR) -> logging.LogRecord:
    import locust

    path = f"{locust.__path__[0]}/{module}"
    return logging.LogRecord("root", level, path, 1, words, (), None)


def test_what_locust_logs_and_forgets_is_taken() -> None:
    made, _ = supervisor()
    logged, text = Logged(made), "Uncaught exception in event handler: \nTraceback (most recent call last): …"
    try:
        raise ValueError("of a listener")
    except ValueError:
        assert logged.filter(record(text, level=logging.INFO))
        assert logged.filter(record("no traceback in it"))
        assert logged.filter(record(text, module="web.py"))
        assert made.cause is None
        assert not logged.filter(record(text))
    assert made.cause is not None
    assert "of a listener" in made.cause.words


def test_a_user_that_stops_itself_in_on_start_is_no_error_and_leaves_no_traceback() -> None:
    made, _ = supervisor()
    try:
        raise StopUser
    except StopUser:
        assert not Logged(made).filter(record("\nTraceback (most recent call last): …", module="users.py"))
    assert made.cause is None


# -- the crowd


@pytest.mark.parametrize(
    ("crowd", "over", "vanished"),
    [
        (Crowd(wanted=4, living=4, acting=1, spawning=False), False, 0),
        (Crowd(wanted=4, living=4, acting=0, spawning=True), False, 0),
        (Crowd(wanted=0, living=0, acting=0, spawning=False), False, 0),
        (Crowd(wanted=4, living=4, acting=0, spawning=False), True, 0),
        (Crowd(wanted=4, living=1, acting=0, spawning=False), True, 3),
        (Crowd(wanted=4, living=3, acting=1, spawning=False), False, 1),
    ],
)
def test_a_run_is_over_when_nobody_can_act(crowd: Crowd, over: bool, vanished: int) -> None:
    assert (crowd.is_over, crowd.vanished) == (over, vanished)


def test_users_of_others_do_not_act_and_ours_do_until_they_have_left() -> None:
    users = [SimpleNamespace(has_left=False), SimpleNamespace(has_left=True), SimpleNamespace()]
    greenlets = [SimpleNamespace(args=(user,)) for user in users] + [SimpleNamespace(args=())]
    done = SimpleNamespace(ready=lambda: True)
    runner = SimpleNamespace(user_greenlets=greenlets, target_user_count=4, spawning_greenlet=done)
    assert crowd_of(runner) == Crowd(wanted=4, living=3, acting=1, spawning=False)
    runner.spawning_greenlet = None
    assert crowd_of(runner).spawning, "before any user was started"


# -- the wait for workers


def wait(monkeypatch: pytest.MonkeyPatch, ready: int, living: int, limit_s: int, seconds: float) -> list[str]:
    """What is said when the wait has lasted `seconds`, or when workers are ready."""
    now, said = [0.0], list[str]()

    def sleep(pause_s: float) -> None:
        now[0] += pause_s
        if now[0] >= seconds:
            raise TimeoutError

    monkeypatch.setattr(muster, "forked_workers", lambda: [None] * living)
    monkeypatch.setattr(muster.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(muster.gevent, "sleep", sleep)
    runner = SimpleNamespace(clients=SimpleNamespace(ready=[None] * ready))
    options = SimpleNamespace(expect_workers=2, expect_workers_max_wait=limit_s, processes=2)
    try:
        muster.await_workers(runner, options, said.append)
    except TimeoutError:
        said.append("still waiting")
    return said


def test_the_wait_for_workers_ends_when_they_cannot_come(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wait(monkeypatch, ready=2, living=0, limit_s=0, seconds=9) == []
    assert wait(monkeypatch, ready=1, living=2, limit_s=0, seconds=599) == ["still waiting"]
    assert "1 of 2 workers connected within 600 s" in wait(monkeypatch, 1, 2, 0, 700)[0]
    assert "0 of 2 workers connected within 5 s" in wait(monkeypatch, 0, 2, 5, 700)[0]
    assert wait(monkeypatch, 1, 1, 0, 9) == ["1 of 2 worker processes ended before the run began"]


# -- the books of a failed run


def test_a_failed_run_ends_with_the_code_of_its_cause_whatever_else_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    plan = planned("chat", {"host": "http://127.0.0.1:1", "num_users": 1, "out": "run"})
    books = RunFolder(plan, said.append)
    books.problem("a line was lost")
    ended: list[str] = []

    def judge(folder: Path) -> int:
        ended.append(json.loads((folder / "manifest.json").read_text())["ended"])
        return 3

    books.failed(Cause("ValueError: planted", 2, ("a.py:1 in f",)))
    assert books.close("done", judge) == 2
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (ended, manifest["ended"], manifest["exit_code"]) == (["failed"], "failed", 2)
    assert (manifest["failure"], manifest["failed_in"]) == ("ValueError: planted", ["a.py:1 in f"])


def test_a_run_that_fails_after_it_was_closed_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = planned("chat", {"host": "http://127.0.0.1:1", "num_users": 1, "out": "run"})
    books = RunFolder(plan, lambda _: None)
    assert books.close("done", lambda _: 0) == 0
    books.failed(Cause("ValueError: in on_stop"))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (manifest["ended"], manifest["exit_code"]) == ("failed", 2)


class Kept:
    """A run folder that notes what it is told."""

    def __init__(self) -> None:
        self.cause: Cause | None = None
        self.manifest = Manifest()
        self.failed = self._failed

    def _failed(self, cause: Cause) -> None:
        self.cause = cause

    def close(self, reason: str, judge: Any) -> int:
        """Note why."""
        self.manifest.ended = reason
        return 2 if self.cause is not None else 0


def test_a_part_that_cannot_be_closed_keeps_no_other_from_it() -> None:
    made, _ = supervisor()

    def raises() -> None:
        raise OSError(5, "Input/output error", "x")

    folder: Any = Kept()
    helper = gevent.spawn(gevent.sleep, 1000)
    metrics: Any = SimpleNamespace(stop=raises)
    search: Any = SimpleNamespace(facts={"users": 3})
    parts = RunParts(folder, metrics=metrics, search=search, helpers=[helper])
    environment: Any = SimpleNamespace()
    assert close(parts, environment, made, ("done", lambda _: 0), gevent.getcurrent()) == 2
    helper.join()
    assert (folder.manifest.capacity, folder.manifest.ended) == ({"users": 3}, "done")
    assert folder.cause is not None and folder.cause.words.startswith("x: Input/output error")
