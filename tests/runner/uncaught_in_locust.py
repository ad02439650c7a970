"""What nobody caught is taken, and what is no error is not; and which of Locust's users can act."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from chatload import locust_start
from chatload.locust_setup import close_run, tell_interrupted
from chatload.runner.local_users import LocalUsers
from chatload.runner.locust_patches import processes
from chatload.runner.locust_patches.processes import interrupts_here, interrupts_to_locust, local_users
from chatload.runner.locust_patches.uncaught import Logged, greenlet_errors, tell
from chatload.runner.supervisor import Cause, Supervisor


def supervisor() -> tuple[Supervisor, list[Cause]]:
    """One whose run is on, and what it ended with."""
    ended: list[Cause] = []
    made = Supervisor(ended.append)
    made.begin()
    return made, ended


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


def test_ctrl_c_while_a_timer_is_at_work_reaches_locust_and_leaves_no_traceback() -> None:
    made, _ = supervisor()
    shown: list[Any] = []
    handle = greenlet_errors(made, lambda *what: shown.append(what))
    with pytest.raises(KeyboardInterrupt):
        handle(SimpleNamespace(), KeyboardInterrupt, KeyboardInterrupt(), None)
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


def test_users_of_others_do_not_act_and_ours_do_until_they_have_left() -> None:
    class Ours:
        has_left = False

    class Others: ...

    users: list[Any] = [Ours(), Ours(), Others()]
    users[1].has_left = True
    greenlets = [SimpleNamespace(args=(user,)) for user in users] + [SimpleNamespace(args=())]
    done = SimpleNamespace(ready=lambda: True)
    runner = SimpleNamespace(
        user_greenlets=greenlets,
        user_classes=[Ours, Others],
        target_user_classes_count={"Ours": 4, "Others": 1},
        spawning_greenlet=done,
    )
    assert local_users(runner) == LocalUsers(wanted=4, living=2, acting=1, spawning=False)
    runner.spawning_greenlet = None
    assert local_users(runner).spawning, "before any user was started"


class Page(User):
    """A user beside ours, with an error in its task."""

    @task
    def break_down(self) -> None:
        raise ValueError("of a page")


class Ours(Page):
    has_left = False


@pytest.mark.parametrize(("user", "ends"), [(Page, False), (Ours, True)])
def test_an_error_of_a_user_beside_ours_is_locust_s_to_count(
    user: type[User], ends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    made, ended = supervisor()
    environment = Environment(user_classes=[user])
    tell(made, environment)
    runner = environment.create_local_runner()
    caplog.handler.addFilter(Logged(made))
    runner.start(1, spawn_rate=10)
    gevent.sleep(0.2)
    runner.quit()
    assert bool(ended) == ends
    assert bool(runner.exceptions) or ends
    assert ("ValueError: of a page" in caplog.text) == (not ends)


def test_a_second_ctrl_c_ends_in_a_line_and_not_in_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def end(reason: str) -> None:
        raise KeyboardInterrupt

    environment: Any = SimpleNamespace(runner=None, process_exit_code=None)
    closing = gevent.spawn(gevent.sleep, 60)
    controller: Any = SimpleNamespace(end=end, folder=Path("results/A"), exit_code=None, closing=closing)
    gevent.sleep(0)
    close_run(environment, controller)
    assert environment.process_exit_code == 4
    assert closing.dead, "what waits for the pictures ends, and they with it"
    close_run(environment, controller)  # a master's is asked to twice
    assert capsys.readouterr().err == (
        "chatload: stopped before the reports were written: chatload report results/A --html writes them\n"
    )


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_reaches_who_closes_a_run_whatever_code_it_meets() -> None:
    before, reports = signal.getsignal(signal.SIGINT), []

    def closes() -> None:
        try:
            interrupt()
        except KeyboardInterrupt:
            reports.append("broken off")

    with interrupts_here(lambda: closing):
        closing = gevent.spawn(closes)
        closing.join()
        assert reports == ["broken off"], "who writes the reports is broken off itself"
        other = gevent.spawn(interrupt)
        with pytest.raises(KeyboardInterrupt):
            gevent.sleep(5)
        assert other.successful(), "a greenlet of somebody else goes on"
        gevent.get_hub().loop.run_callback(interrupt)
        with pytest.raises(KeyboardInterrupt):
            gevent.sleep(5)
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_locust_waits_for_its_workers_ends_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ended, before = [], signal.getsignal(signal.SIGINT)

    def waits() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["chatload"])
    monkeypatch.setitem(sys.modules, "locust.main", SimpleNamespace(main=waits))
    monkeypatch.setattr(processes, "end_forked_workers", lambda: ended.append("workers"))
    try:
        with pytest.raises(SystemExit) as caught:
            locust_start.main()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL, "a later one raises nothing"
    finally:
        signal.signal(signal.SIGINT, before)
    assert (caught.value.code, ended) == (130, ["workers"])
    assert capfd.readouterr().err == "chatload: interrupted before the run began\n"


def test_ctrl_c_during_a_run_reaches_locust_whatever_code_it_meets() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        for begin in (gevent.spawn, lambda act: gevent.get_hub().loop.run_callback(act)):
            interrupts_to_locust(lambda: None)
            begin(interrupt)
            with pytest.raises(KeyboardInterrupt):
                gevent.sleep(5)
        interrupts_to_locust(lambda: None)
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        told: list[str] = []
        interrupts_to_locust(lambda: told.append("told"))
        starts = gevent.spawn(lambda: [interrupt(), told.append("at work"), interrupt()])
        with pytest.raises(KeyboardInterrupt):
            gevent.sleep(5)
        assert isinstance(starts.exception, KeyboardInterrupt), "what does not let go ends at the second one"
        assert told == ["told", "at work"], "at the first one, at once"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_first_ctrl_c_says_what_happens_where_a_run_must_be_closed(
    is_open: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    environment: Any = SimpleNamespace(chatload_controller=SimpleNamespace(is_open=is_open))
    tell_interrupted(environment)
    tell_interrupted(cast(Any, SimpleNamespace()))  # a worker's
    words = "chatload: closing the run and writing its reports; Ctrl-C again stops at once\n"
    assert capfd.readouterr().err == (words if is_open else "")
