"""What chatload takes for granted of Locust and works around: a failure here says that Locust was mended or changed.

Run by test_locust_patches.py, in a process that imports Locust first.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import psutil
import pytest
from locust import User, argument_parser, constant, main, runners, task
from locust.env import Environment
from locust.event import EventHook
from locust.exception import StopUser
from locust.log import greenlet_exception_logger

from chatload.loads.chat import SHAPE
from chatload.options.run_options import OPTIONS
from chatload.runner.locust_options import register, values_of
from chatload.runner.locust_patches import processes
from chatload.runner.locust_patches.uncaught import Logged
from chatload.runner.supervisor import Supervisor

OPTIONS_OF_LOCUST = ["--host", "http://127.0.0.1:1", "--headless"]


def options(*more: str) -> Any:
    return argument_parser.parse_options(args=[*OPTIONS_OF_LOCUST, *more])


@pytest.fixture
def local() -> Iterator[Callable[..., runners.LocalRunner]]:
    """Makes local runners of users of a class; ends them."""
    made: list[runners.LocalRunner] = []

    def make(user: type[User]) -> runners.LocalRunner:
        environment = Environment(user_classes=[user], parsed_options=options())
        made.append(environment.create_local_runner())
        return made[-1]

    yield make
    for runner in made:
        runner.quit()


# -- why a user who is done stays, and why we end a run ourselves


def test_locust_still_starts_another_user_for_one_that_has_ended_while_it_ramps(
    local: Callable[..., runners.LocalRunner],
) -> None:
    started: list[object] = []

    class Brief(User):
        wait_time = constant(0)

        def on_start(self) -> None:
            started.append(self)

        @task
        def end(self) -> None:
            raise StopUser

    runner = local(Brief)
    runner.start(2, spawn_rate=1)
    gevent.sleep(1.5)
    assert len(started) > 2, "GONE_S in runner/behaviour.py is no longer needed"
    assert runner.user_count == 0
    assert runner.state == runners.STATE_RUNNING, "a run without users ends by itself now"


def test_locust_still_waits_for_a_user_who_does_not_stop(local: Callable[..., runners.LocalRunner]) -> None:
    stopping: list[object] = []

    class Stubborn(User):
        wait_time = constant(0)

        @task
        def stay(self) -> None:
            gevent.sleep(1000)

        def on_stop(self) -> None:
            stopping.append(self)
            gevent.sleep(1)

    runner = local(Stubborn)
    runner.start(1, spawn_rate=1)
    gevent.sleep(0.1)
    waiting = gevent.spawn(runner.stop)
    gevent.sleep(0.1)
    assert stopping and not waiting.ready()
    processes.kill_users(runner, None, 0.1)
    assert waiting.join(timeout=5) is None and waiting.ready()


def test_a_worker_can_still_be_made_to_report_and_a_quit_still_gives_it_half_a_second() -> None:
    sent: list[str] = []
    runner = SimpleNamespace(_send_stats=lambda: sent.append("stats"))
    processes.send_stats(runner)
    assert sent == ["stats"]
    assert inspect.signature(runners.WorkerRunner._send_stats).parameters.keys() == {"self"}
    assert "gevent.sleep(0.5)" in inspect.getsource(runners.MasterRunner.quit)


def test_locust_still_ends_forked_workers_by_a_signal_that_one_that_connects_does_not_hear() -> None:
    assert "os.kill(child_pid, signal.SIGINT)" in inspect.getsource(main.main)


def test_forked_workers_are_told_from_other_children() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child = os.fork()
    if not child:
        signal.pause()
    try:
        assert [process.pid for process in processes.forked_workers()] == [child]
        processes.end_forked_workers()
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
        assert other.poll() is None
        assert processes.forked_workers() == []
    finally:
        other.kill()
        other.wait()
    assert psutil.pid_exists(os.getpid())


# -- options


def test_locust_still_opens_its_ports_to_everybody_and_takes_abbreviations() -> None:
    parser = argument_parser.get_parser()
    assert parser.parse_args(["--web-po", "9"]).web_port == 9
    given = parser.parse_args([])
    assert (given.web_host or "", given.master_bind_host) == ("", "*")


def test_a_long_time_still_ends_locust_in_a_traceback_and_ours_is_told_as_a_mistake() -> None:
    long = "9" * 30 + "h"
    with pytest.raises(OverflowError):
        argument_parser.get_parser().parse_args(["--run-time", long])
    parser = argument_parser.get_parser()
    register(parser, [*SHAPE.options, *OPTIONS])
    assert parser.parse_args(["--run-time", long]).run_time == long, "loads/ tells it with all other mistakes"
    assert parser.parse_args(["--run-time", "2m"]).run_time == 120
    given = parser.parse_args(["--slo", "a", "--slo", "b"])
    assert (given.web_host, given.master_bind_host, given.slo) == ("127.0.0.1", "127.0.0.1", "a; b")
    with pytest.raises(SystemExit):
        parser.parse_args(["--web-po", "9"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--turn", "9"])


def test_values_are_those_of_the_options_the_environment_s_host_first() -> None:
    environment = Environment(parsed_options=options("--users", "7"), host="http://gpu")
    values = values_of(environment)
    assert (values["num_users"], values["host"], values["scenario"]) == (7, "http://gpu", "chat")


# -- errors that Locust logs and forgets


def taken(cause: Callable[[], object], module: str) -> None:
    """What `cause` makes Locust log in `module` comes to the supervisor."""
    supervisor = Supervisor(lambda _: None)
    supervisor.begin()
    seen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            """Not called for what the filter takes."""

        def filter(self, record: logging.LogRecord) -> bool:
            seen.append(record.module)
            return bool(super().filter(record))

    handler = Handler(logging.ERROR)
    handler.addFilter(Logged(supervisor))
    logging.getLogger().addHandler(handler)
    try:
        cause()
    finally:
        logging.getLogger().removeHandler(handler)
    assert module in seen, f"{module} logs it no longer"
    assert supervisor.cause is not None and "planted" in supervisor.cause.words


def raises(*_: object, **__: object) -> None:
    raise ValueError("planted")


def test_an_error_of_a_listener_is_still_logged_and_forgotten() -> None:
    hook = EventHook()
    hook.add_listener(raises)
    taken(hook.fire, "event")


def test_an_error_of_a_greenlet_is_still_logged_and_forgotten() -> None:
    def cause() -> None:
        greenlet = gevent.spawn(raises)
        greenlet.link_exception(greenlet_exception_logger(logging.getLogger("locust.runners")))
        greenlet.join()
        gevent.sleep(0)

    taken(cause, "log")


@pytest.mark.parametrize(("where", "module"), [("on_start", "users"), ("hold_turn", "task")])
def test_an_error_of_a_user_is_still_logged_and_forgotten(
    where: str, module: str, local: Callable[..., runners.LocalRunner]
) -> None:
    class Broken(User):
        has_left = False  # one of ours: errors of others are Locust's
        wait_time = constant(0.01)

        def on_start(self) -> None:
            if where == "on_start":
                raises()

        @task
        def hold_turn(self) -> None:
            raises()

    def cause() -> None:
        local(Broken).start(1, spawn_rate=1)
        gevent.sleep(0.2)

    taken(cause, module)


def test_an_error_of_a_message_s_listener_is_still_logged_and_forgotten() -> None:
    """A worker of 2.46 ends the greenlet that listens to its master, whose error is logged and taken as any other."""
    source = inspect.getsource(inspect.unwrap(runners.MasterRunner.handle_message))
    assert 'logging.error(f"Uncaught exception in handler for {msg.type}' in source


def test_quitting_listeners_still_fire_in_reverse_and_ours_last() -> None:
    assert "quitting.fire(environment=environment, reverse=True)" in inspect.getsource(main.main)
