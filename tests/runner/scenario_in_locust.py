"""User classes of one's own in Locust itself: a process that imports Locust first runs this file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from locust import HttpUser, TaskSet, User, argument_parser, between, events, runners, tag, task
from locust.env import Environment
from locust.exception import StopUser

import chatload
from chatload import ChatUser
from chatload.loads.user_classes import DECLARED, DeclaredClass
from chatload.runner import scenario_user
from chatload.runner.behaviour import GONE_S
from chatload.runner.locust_patches.dispatcher import users_by_class
from chatload.runner.locust_process import LocustProcess, tasks_left
from chatload.runner.session import Session
from tests.plans import planned
from tests.runner.fake_locust import HOST, FakeProcess


class Holds:
    """A behaviour that notes what it is asked; done after three turns."""

    made: list[Holds]

    def __init__(self, session: Any, user_class: Any) -> None:
        self.calls: list[str] = []
        self.user_class = user_class
        self.is_in = self.has_left = self.is_done = False
        Holds.made.append(self)

    def come_in(self) -> None:
        self.is_in = True
        self.calls.append("in")

    def hold(self) -> None:
        self.calls.append("turn")
        self.is_done = self.calls.count("turn") == 3

    def record(self) -> None:
        self.calls.append("record")

    def pause(self, seconds: float | None) -> None:
        self.calls.append(f"pause {seconds}")
        gevent.sleep(0.001)

    def go(self, reason: str) -> None:
        if self.is_in:
            self.is_in, self.has_left = False, True
            self.calls.append(reason)


class Talks(ChatUser):
    """Holds turns without a server."""

    abstract = True

    def say(self) -> None:
        acting: Any = self.acting()
        acting.hold()


class Plain(Talks):
    @task
    def one(self) -> None:
        self.say()


class Waits(Plain):
    wait_time = between(0.001, 0.001)

    def on_start(self) -> None:
        """Without super().on_start(), as Locust's users do."""
        self.say()


class Long(Talks):
    @task
    def five(self) -> None:
        for _ in range(5):
            self.say()


class Leaves(Talks):
    @task
    def one(self) -> None:
        self.say()
        raise StopUser


class Nested(Talks):
    @task
    class Inner(TaskSet):
        wait_time = between(0.001, 0.001)

        @task
        def one(self) -> None:
            self.user.say()


class Idle(Plain):
    turns = None


class Page(HttpUser):
    host = HOST

    @task
    def one(self) -> None:
        gevent.sleep(1)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., runners.LocalRunner]]:
    """Runs users of a class without a server for 0.2 s, and until they are idle."""
    monkeypatch.setattr(scenario_user, "ScenarioBehaviour", Holds)
    Holds.made = []
    made: list[runners.LocalRunner] = []

    def start(*classes: type[User], has_session: bool = True) -> runners.LocalRunner:
        options = argument_parser.parse_options(args=["--host", HOST, "--headless"])
        environment = Environment(user_classes=list(classes), parsed_options=options)
        ours: Any = [one for one in classes if hasattr(one, "declared")]
        declared = {DECLARED: lambda users, picked: tuple(one.declared(1) for one in ours)}
        made.append(environment.create_local_runner())
        environment.chatload_process = process = FakeProcess()
        if has_session:
            session: Any = Session.__new__(Session)
            session.plan = planned("chat", {"host": HOST, "num_users": len(ours), **declared}).plan
            process.session = session
        made[-1].start(len(classes), spawn_rate=100)
        gevent.sleep(0.2)
        give_up = time.monotonic() + 20
        while has_session and LocustProcess(environment).local_users().acting and time.monotonic() < give_up:
            gevent.sleep(0.02)
        return made[-1]

    yield start
    for runner in made:
        runner.quit()


@pytest.mark.parametrize(
    ("user", "calls"),
    [
        (Plain, ["in", *["turn", "record", "pause None"] * 2, "turn", "record", "done"]),
        (Waits, ["in", *["turn"] * 2, "record", "pause 0.001", "turn", "record", "done"]),
        (Long, ["in", "turn", "turn", "turn", "done"]),
        (Leaves, ["in", "turn", "done"]),
        (Nested, ["in", "turn", "turn", "turn", "done"]),
    ],
)
def test_a_user_holds_its_turns_and_stays_idle(
    run: Callable[..., runners.LocalRunner], user: type[User], calls: list[str]
) -> None:
    runner = run(user)
    assert Holds.made[0].calls == calls
    assert runner.user_count == 1, "who ends is started again during the ramp"
    assert LocustProcess(runner.environment).local_users().acting == 0
    runner.stop()
    assert Holds.made[0].calls == calls
    assert len(Holds.made) == 1


def test_without_a_run_nobody_acts(run: Callable[..., runners.LocalRunner]) -> None:
    runner = run(Plain, has_session=False)
    assert Holds.made == []
    assert runner.user_count == 1
    runner.stop()
    assert runner.user_count == 0


def test_users_beside_are_not_waited_for(run: Callable[..., runners.LocalRunner]) -> None:
    runner = run(Plain, Page)
    found = LocustProcess(runner.environment).local_users()
    assert (found.wanted, found.living, found.acting) == (1, 1, 0)


def test_a_class_says_what_it_sets_and_whether_it_waits() -> None:
    assert Plain.declared(3) == DeclaredClass("Plain", 3, own=True)
    assert Waits.declared(3) == DeclaredClass("Waits", 3, own=True, waits=True)
    assert Idle.declared(1).attributes == {"turns": None}


class Three(Plain):
    weight = 3


class Fixed(Plain):
    fixed_count = 2


@pytest.mark.parametrize("users", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("workers", [("local",), ("b", "a", "c")])
def test_users_are_counted_as_locust_assigns_them(users: int, workers: tuple[str, ...]) -> None:
    from locust.dispatch import UsersDispatcher

    classes = [Page, Three, Fixed]
    found = users_by_class(classes, users, workers)
    nodes = [runners.WorkerNode(f"{place}") for place in range(len(workers))]
    dispatcher = UsersDispatcher(nodes, classes)
    dispatcher.new_dispatch(users, spawn_rate=1e9)
    dispatcher._wait_between_dispatch = 0
    *_, last = iter(dispatcher)
    assert found == {worker: last[f"{place}"] for place, worker in enumerate(workers)}
    assert sum(each["Fixed"] for each in found.values()) == min(users, 2)


def test_importing_it_is_all_the_installing_there_is() -> None:
    listeners = len(events.init._handlers)
    from chatload.loads.chat import SHAPE
    from chatload.locust_setup import install

    install(SHAPE)
    assert len(events.init._handlers) == listeners, "a second locustfile adds nothing"
    assert chatload.ChatUser is ChatUser
    options = argument_parser.parse_options(args=["--turns", "3"])
    assert options.turns == "3"


def test_two_kinds_of_run_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from chatload.loads.capacity import SHAPE
    from chatload.locust_setup import install

    with pytest.raises(SystemExit) as ended:
        install(SHAPE)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "--locustfile: a run is of one kind, these are of two, chat and capacity: start them one by one\n"
    )


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(chatload, "Nothing")  # noqa: B009 - mypy would see it
    assert GONE_S > 1e6


class Here(Plain):
    host = "http://127.0.0.1:3"


def test_hosts_of_classes_count_where_none_is_given_and_may_have_the_key() -> None:
    options = argument_parser.parse_options(args=["--headless"])
    environment = Environment(user_classes=[Plain, Here, Page], parsed_options=options)
    process = LocustProcess.__new__(LocustProcess)
    process._environment = environment
    assert process.given_hosts == (None, None, Here.host)
    values = process.option_values()
    assert values["host"] == Here.host
    hosts = [one.attributes.get("host") for one in values[DECLARED](3)]
    assert hosts == [None, Here.host]
    environment.available_user_classes = {one.__name__: one for one in (Page, Waits, Here, Plain)}
    told = values[DECLARED]
    assert [one.name for one in told(3)] == ["Here", "Plain"], "in the order of the locustfiles"
    assert [one.name for one in told(2, ["Plain", "Waits"])] == ["Waits", "Plain"], "picked on the page"
    environment.host = HOST
    assert process.given_hosts == (HOST, None)
    assert {one.attributes.get("host") for one in process.option_values()[DECLARED](3)} == {None}


class Tagged(Talks):
    @task
    class Inner(TaskSet):
        @tag("a", "b")
        @task
        def one(self) -> None:
            self.user.say()


class Untold(Talks):
    """Without a task."""


@pytest.mark.parametrize(
    ("tags", "without"), [((), ()), (("a",), ()), (("c",), ()), ((), ("b",)), ((), ("c",)), (("a",), ("b",))]
)
def test_tasks_that_tags_leave_are_told_as_locust_filters_them(
    tags: tuple[str, ...], without: tuple[str, ...]
) -> None:
    import copy

    from locust.user.task import filter_tasks_by_tags

    for one in (Tagged, Plain, Untold):
        told = tasks_left(one, set(tags), set(without))
        copied = [
            type(inner.__name__, (inner,), {"tasks": list(inner.tasks)}) if hasattr(inner, "tasks") else inner
            for inner in one.tasks
        ]
        holder = type(one.__name__, (one,), {"tasks": copy.copy(copied)})
        filter_tasks_by_tags(holder, set(tags) or None, set(without) or None)
        assert told == bool(holder.tasks), one
