"""Each workaround still has something to work around: a failure here says that Locust was mended or changed.

Then take the workaround out (chatload/runner/locust_patches/, chatload/engine/connection.py), and its test.
Run by test_locust_patches.py, in a process that imports Locust first.
"""

from __future__ import annotations

import fcntl
import functools
import inspect
import io
import logging
import re
import resource
import socket
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import locust
import locust.main
import msgpack
import pytest
from geventhttpclient.connectionpool import ConnectionPool
from locust import LoadTestShape, User, argument_parser, runners
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import zmqrpc
from locust.rpc.protocol import Message
from locust.stats import StatsCSVFileWriter

from chatload.engine.connection import Connection
from chatload.runner.locust_patches import csv_files, master_socket, processes, worker_wait
from chatload.runner.locust_patches.dispatcher import (
    DispatcherFactory,
    EvenDispatcher,
    Ramping,
    users_by_class,
)
from chatload.runner.locust_patches.install import BEYOND, FIRST, install
from chatload.runner.locust_patches.no_users import FOUND_NONE, tell_no_users
from chatload.runner.locust_patches.shape_hold import held

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


class Somebody(User):
    fixed_count = 0
    weight = 1


def groups(dispatcher: UsersDispatcher, most: int) -> list[int]:
    """Users in at each step of a ramp, without its waits."""
    dispatcher._wait_between_dispatch = 0.0
    return [
        sum(sum(users.values()) for users in step.values())
        for step, _ in zip(dispatcher, range(most), strict=False)
    ]


def node(name: str = "local") -> Any:
    return SimpleNamespace(id=name)


def test_the_patches_are_made_for_this_locust() -> None:
    assert install() is None
    (pinned,) = re.findall(r"^locust>=([\d.]+),<([\d.]+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned == tuple(".".join(map(str, end)) for end in (FIRST, BEYOND)), "one range, told twice"


@pytest.mark.parametrize("version", ["2.45.9", "2.48.0", "3.0.0.dev1"])
def test_another_locust_is_not_patched_but_told_of(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def untouched() -> dict[str, Any]:
        return {}

    monkeypatch.setattr(argument_parser, "default_args_dict", untouched)
    monkeypatch.setattr(locust, "__version__", version)
    assert install() == f"Locust {version} is not one chatload was made for (from 2.46, before 2.48)"
    assert argument_parser.default_args_dict is untouched


def test_locust_still_rebuilds_its_argument_parser_for_each_option(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = inspect.unwrap(argument_parser.default_args_dict)
    built = []
    make = argument_parser.get_empty_argument_parser
    monkeypatch.setattr(
        argument_parser, "get_empty_argument_parser", lambda *a, **k: built.append(1) or make(*a, **k)
    )
    bare()
    bare()
    assert len(built) == 2, "default_args_dict remembers its answer now"
    assert "argument_parser.default_args_dict()" in inspect.getsource(runners.WorkerRunner)
    monkeypatch.setattr(argument_parser, "default_args_dict", bare)
    install()
    built.clear()
    assert argument_parser.default_args_dict() == argument_parser.default_args_dict()
    assert len(built) == 1


def test_locust_still_starts_a_second_s_users_in_one_burst() -> None:
    dispatcher = UsersDispatcher([node()], [Somebody])
    dispatcher.new_dispatch(20, 10)
    assert groups(dispatcher, 1) == [10]


def test_the_even_ramp_starts_them_one_by_one() -> None:
    said: list[tuple[int, float]] = []
    ramping = Ramping(lambda first, rate, _: said.append((first, rate)))
    ramp = EvenDispatcher([node()], [Somebody], ramping)
    ramp.new_dispatch(20, 10)
    assert groups(ramp, 4) == [1, 2, 3, 4]
    assert said == [(0, 10)]


def test_the_even_ramp_can_be_left_to_locust() -> None:
    ramp = EvenDispatcher([node()], [Somebody], Ramping(lambda *_: None, lambda: False))
    ramp.new_dispatch(20, 10)
    assert groups(ramp, 1) == [10]


def users_on(dispatcher: UsersDispatcher) -> dict[str, int]:
    """Users on each worker at the end of a dispatch."""
    dispatcher._wait_between_dispatch = 0.0
    *_, last = dispatcher
    return {worker: sum(users.values()) for worker, users in last.items()}


def test_locust_still_assigns_all_users_anew_when_a_worker_comes() -> None:
    dispatcher = UsersDispatcher([node("a")], [Somebody])
    dispatcher.new_dispatch(4, 10)
    assert users_on(dispatcher) == {"a": 4}
    assert not dispatcher.dispatch_in_progress, "Locust then starts a dispatch of its own"
    dispatcher.add_worker(node("b"))
    dispatcher.new_dispatch(4, 10)
    assert users_on(dispatcher) == {"a": 2, "b": 2}


def test_users_stay_where_they_began() -> None:
    late: list[str] = []
    said: list[list[str]] = []
    ramping = Ramping(
        lambda first, rate, workers: said.append(list(workers)), workers=lambda: {"a", "b"}, late=late.append
    )
    a, b, c, d = map(node, "abcd")
    ramp = EvenDispatcher([a, c], [Somebody], ramping)
    ramp.add_worker(b)  # while the server was asked what it is, so that it was told of the run, too
    ramp.new_dispatch(4, 100)
    assert users_on(ramp) == {"a": 2, "b": 2}
    assert late == ["c"]
    ramp.remove_worker(a)
    for one in (d, d, a):  # who waits for an answer says again that it is ready; a is back
        ramp.add_worker(one)
    assert late == ["c", "d"]
    assert ramp.dispatch_in_progress
    ramp.new_dispatch(4, 100)
    assert users_on(ramp) == {"a": 2, "b": 2}
    assert said == [["a", "b"]], "no second ramp"
    ramp.new_dispatch(6, 100)
    assert users_on(ramp) == {"a": 3, "b": 3}


def test_workers_that_are_all_gone_before_the_ramp_get_no_users() -> None:
    said: list[list[str]] = []
    a = node("a")
    ramp = EvenDispatcher(
        [a], [Somebody], Ramping(lambda *told: said.append(list(told[2])), workers=lambda: {"a"})
    )
    ramp.remove_worker(a)
    ramp.new_dispatch(4, 100)
    assert users_on(ramp) == {} and said == []
    assert users_by_class([Somebody], 4, []) == {}
    with pytest.raises(RuntimeError, match="StopIteration"):
        bare = UsersDispatcher([], [Somebody])
        bare.new_dispatch(4, 100)
        next(bare)


def test_a_run_keeps_its_dispatcher() -> None:
    run: object = "first"
    make = DispatcherFactory(Ramping(lambda *_: None), lambda: run)
    first = make([node("a")], [Somebody])
    assert make([node("b")], [Somebody]) is first
    run = "second"
    second = make([node("b")], [Somebody])
    assert second is not first, (
        "else its users would be taken for those of the run before, and come all at once"
    )
    assert make([node("b")], [Somebody]) is second
    run = None
    third = make([node("b")], [Somebody])
    assert third is not second
    run = "third"
    assert make([node("b")], [Somebody]) is third, "a master asks right before its run begins"


def test_geventhttpclient_still_takes_sockets_above_fd_1023_for_dead() -> None:
    """Why its connection pool is not used: above, each user would connect anew for every turn."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1100:
        pytest.skip("fewer than 1100 open files are allowed here")
    ours, theirs = socket.socketpair()
    high = socket.socket(fileno=fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD, 1050))
    with ours, theirs, high:
        assert ConnectionPool._is_socket_alive(None, ours) is True
        assert ConnectionPool._is_socket_alive(None, high) is False, "it was mended: think of using the pool"
        high.setblocking(False)
        assert Connection(high, high, False, 0, 0.0, None).alive()


def test_a_busy_master_port_is_a_traceback_to_locust() -> None:
    """Locust compares the whole text of pyzmq's error with one that pyzmq has lengthened since."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        server = zmqrpc.Server
        if isinstance(server, functools.partial):
            (server,) = server.args
        with pytest.raises(RPCError) as error:
            server("127.0.0.1", busy.getsockname()[1])
    assert str(error.value) != "Socket bind failure: Address already in use"
    assert '"Socket bind failure: Address already in use"' in inspect.getsource(runners.MasterRunner.__init__)


class Frames:
    """A socket of the master that receives this one message."""

    def __init__(self, frame: bytes) -> None:
        self.socket = SimpleNamespace(recv_multipart=lambda: [b"stranger", frame])


BROKEN = (b"\xc1", b"", b"\x93\x01\x02", b"\xdf\xff\xff\xff\xff", b"\x91" * 2000, b"\x92\x01\x02", b"\x05")


@pytest.mark.parametrize("frame", BROKEN)
def test_a_frame_that_is_no_message_would_end_the_greenlet_that_listens_to_workers(frame: bytes) -> None:
    receive = zmqrpc.BaseSocket.recv_from_client
    with pytest.raises((TypeError, ValueError, msgpack.UnpackException)):
        getattr(receive, "__wrapped__", receive)(Frames(frame))
    with pytest.raises(RPCReceiveError):
        master_socket.receive(getattr(receive, "__wrapped__", receive))(Frames(frame))


def test_a_message_of_another_form_would_end_it_too() -> None:
    handle = runners.MasterRunner.handle_message
    handle = getattr(handle, "__wrapped__", handle)
    runner = SimpleNamespace(
        clients={}, environment=SimpleNamespace(update_worker_logs=lambda data: data["logs"])
    )
    message = Message("client_ready", 5, "stranger")
    with pytest.raises(TypeError):
        handle(runner, "stranger", message)
    master_socket.handle(handle)(runner, "stranger", message)


def test_what_a_stranger_sends_is_not_counted() -> None:
    handled: list[str] = []
    handle = master_socket.handle(lambda _, client_id, message: handled.append(f"{client_id} {message.type}"))
    runner = SimpleNamespace(clients={"w1": None})
    for client in ("w1", "stranger"):
        for kind in ("stats", "heartbeat"):
            handle(runner, client, Message(kind, {}, client))
    assert handled == ["w1 stats", "w1 heartbeat", "stranger heartbeat"]


def test_locust_still_looks_for_its_workers_once_a_second() -> None:
    (wait,) = re.findall(
        r"def start_automatic_run.*?time\.sleep\((.*?)\)\n        if not",
        inspect.getsource(locust.main),
        re.S,
    )
    assert wait == "1"


def test_the_wait_for_workers_ends_when_all_are_there_and_other_sleeps_are_as_long_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locust.main, "time", time)
    worker_wait.install()
    workers: list[str] = []
    runner, options = (
        SimpleNamespace(clients=SimpleNamespace(ready=workers)),
        SimpleNamespace(expect_workers=2),
    )
    slept: list[float] = []

    def come(seconds: float) -> None:
        slept.append(seconds)
        workers.append("one more")

    monkeypatch.setattr(worker_wait.time, "sleep", come)

    def start_automatic_run() -> None:
        assert len(runner.clients.ready) < options.expect_workers
        locust.main.time.sleep(1)

    start_automatic_run()
    assert slept == [0.02, 0.02]
    locust.main.time.sleep(1)
    assert slept[2:] == [1]
    assert locust.main.time.monotonic is time.monotonic
    workers.clear()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker_wait.time, "sleep", interrupt)
    runner.quit = lambda: workers.append("told to quit")
    with pytest.raises(KeyboardInterrupt):
        start_automatic_run()
    assert workers == ["told to quit"]


@pytest.mark.parametrize(("stay", "looks"), [(3, 3), (10**6, 25)])
def test_a_master_quits_once_and_as_soon_as_its_workers_have(
    stay: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "gevent", gevent)
    worker_wait.install()
    master = Environment(user_classes=[Somebody]).create_master_runner("127.0.0.1", 0)
    now_s, slept = [0.0], []
    master.clients["w"] = runners.WorkerNode("w")

    def sleep(seconds: float = 0.0) -> None:
        now_s[0] += seconds
        slept.append(seconds)
        if len(slept) == stay:
            del master.clients["w"]

    monkeypatch.setattr(worker_wait.gevent, "sleep", sleep)
    monkeypatch.setattr(worker_wait.time, "monotonic", lambda: now_s[0])
    sent: list[str] = []
    monkeypatch.setattr(master.server, "send_to_client", lambda message: sent.append(message.type))
    processes.quit_once(master)
    assert sent == ["quit"]
    assert len(slept) == pytest.approx(looks, abs=1)
    master.quit()
    assert sent == ["quit"]
    runners.gevent.sleep(7)
    assert slept[-1] == 7
    assert runners.gevent.spawn is gevent.spawn


class Climbing(LoadTestShape):
    """Asks for another user each time it is asked, and ends after ten times."""

    asked = 0

    def tick(self) -> tuple[int, float] | None:
        self.asked += 1
        return (self.asked, 100) if self.asked <= 10 else None


def test_locust_still_writes_to_csv_files_that_it_has_closed_and_then_stops(tmp_path: Path) -> None:
    writer = StatsCSVFileWriter(Environment(), [0.5], str(tmp_path / "x"))
    writer.close_files()
    original = inspect.unwrap(StatsCSVFileWriter.stats_writer)
    with pytest.raises(ValueError, match="closed file"):
        original(writer)
    csv_files._until_closed(original)(writer)
    writer.requests_csv_filehandle = io.StringIO()
    with pytest.raises(ValueError, match="closed file"):
        csv_files._until_closed(original)(writer)


@pytest.mark.parametrize("hold", [False, True])
def test_a_shape_that_asks_for_more_users_while_a_run_starts_would_start_it_again(
    hold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Environment(user_classes=[Somebody], shape_class=Climbing())
    runner, shape = environment.create_local_runner(), environment.shape_class
    sleep, calls = gevent.sleep, []
    monkeypatch.setattr(gevent, "sleep", lambda seconds=0: sleep(min(seconds, 0.01)))

    def begin(**_: object) -> None:
        with held(environment) if hold else nullcontext():
            calls.append("begin")
            sleep(0.1)
            calls.append("begun")

    environment.events.test_start.add_listener(begin)
    runner.start_shape()
    runner.shape_greenlet.join(timeout=10)
    if not hold:
        assert calls[:2] == ["begin", "begin"], "Locust lets a run start once now: take the hold out"
        return
    assert calls == ["begin", "begun"]
    assert (shape.asked, "tick" in vars(shape)) == (11, False), "it went on from where it was, by itself"


def test_a_shape_s_time_begins_with_the_load_and_its_own_tick_comes_back() -> None:
    shape = Climbing()
    shape.tick = lambda: (1, 1.0)
    environment: Any = SimpleNamespace(shape_class=shape, runner=SimpleNamespace(shape_last_tick=(7, 2.0)))
    shape.start_time -= 60
    with pytest.raises(gevent.GreenletExit), held(environment):
        assert shape.tick() == (7, 2.0)
        raise gevent.GreenletExit
    assert shape.tick() == (1, 1.0)
    assert shape.get_run_time() < 50
    environment.shape_class = None
    with held(environment):
        pass


def test_locust_still_ends_with_1_and_a_log_line_where_a_locustfile_has_no_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = re.escape(f'logger.error("{FOUND_NONE}")') + r"\s+sys\.exit\(1\)"
    assert re.search(words, inspect.getsource(locust.main.main))
    assert "logger = logging.getLogger(__name__)" in inspect.getsource(locust.main)
    logger = logging.getLogger("locust.main")
    ending = argument_parser.LocustArgumentParser.error
    tell_no_users()
    try:
        with pytest.raises(SystemExit):  # as of a locustfile that does not import chatload
            argument_parser.get_parser().parse_args(["--turns", "3", "--slo=x", "--xyz"])
        assert capsys.readouterr().err.startswith("--turns, --slo: chatload's, but the locustfile does not")
        with pytest.raises(SystemExit):
            argument_parser.get_parser().parse_args(["--xyz"])
        assert "unrecognized arguments: --xyz" in capsys.readouterr().err
        logger.error("another error")
        with pytest.raises(SystemExit) as ended:
            logger.error(FOUND_NONE)
    finally:
        argument_parser.LocustArgumentParser.error = ending
        for one in list(logger.filters):
            logger.removeFilter(one)
    assert ended.value.code == 2
    assert "no user class found in it: write one" in capsys.readouterr().err
