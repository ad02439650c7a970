"""Locust as the logic of a run sees it, and Locust's user classes, in a process that imports Locust first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust import User, argument_parser, runners
from locust.env import Environment

from chatload.loads.user_classes import DECLARED, STARTED
from chatload.model.errors import UsageError
from chatload.runner.behaviour import GONE_S
from chatload.runner.locust_process import (
    LocustMaster,
    LocustProcess,
    LocustWorkers,
    connect,
    connect_worker,
    session_of,
)
from chatload.runner.locust_users import ChatUser, LoadUser
from tests.runner.fake_locust import FakeProcess

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


# -- Locust as the logic of a run sees it


def test_a_process_says_what_locust_s_runner_does(local: Callable[..., runners.LocalRunner]) -> None:
    runner = local(ChatUser)
    environment = runner.environment
    assert session_of(environment) is None
    process = LocustProcess(environment)
    process.session = session = object()  # type: ignore[assignment]
    assert session_of(environment) is session
    assert (process.target_users, process.users_per_s, process.is_running) == (0, None, False)
    assert (process.stop_timeout_s, process.given_hosts[1]) == (0.0, "http://127.0.0.1:1")
    runner.target_user_count, runner.state = 3, runners.STATE_RUNNING
    runner.target_user_classes_count = {"ChatUser": 3, "Other": 2}
    environment.stop_timeout = 7
    assert (process.target_users, process.is_running, process.stop_timeout_s) == (3, True, 7.0)
    assert process.local_users().wanted == 3
    assert process.users_of(("a", "b")) == {"a": {"ChatUser": 2}, "b": {"ChatUser": 1}}
    (declared,) = process.option_values()[DECLARED](4)
    assert (declared.name, declared.users, declared.own) == ("ChatUser", 4, False)
    assert process.option_values()[STARTED](4) == 4
    told: list[dict[str, Any]] = []
    environment.events.request.add_listener(lambda **facts: told.append(facts))
    process.report_request(request_type="CHAT", name="turn", response_time=1.0, response_length=2)
    assert told[0]["name"] == "turn"
    assert environment.stats.get("turn", "CHAT").num_requests == 1


def test_classes_of_fixed_counts_leave_the_rest_of_the_users_out(
    local: Callable[..., runners.LocalRunner],
) -> None:
    class Fixed(ChatUser):
        fixed_count = 2

    values = LocustProcess(local(Fixed).environment).option_values()
    assert [one.users for one in values[DECLARED](5)] == [2]
    assert [values[STARTED](users) for users in (1, 2, 5)] == [1, 2, 2]


def test_a_worker_runs_when_it_says_so_itself() -> None:
    runner = SimpleNamespace(
        worker_state=runners.STATE_RUNNING, state=runners.STATE_INIT, target_user_count=1
    )
    environment: Any = SimpleNamespace(runner=runner)
    assert LocustProcess(environment).is_running
    runner.state = runners.STATE_CLEANUP
    assert not LocustProcess(environment).is_running, "a signal stops its users"


def test_messages_go_by_locust_and_strangers_are_named_as_they_name_themselves() -> None:
    listeners: dict[str, Any] = {}
    sent: list[Any] = []
    states = {"a": runners.STATE_INIT, "b": runners.STATE_RUNNING, "c": runners.STATE_MISSING}
    clients = [SimpleNamespace(id=name, state=state) for name, state in states.items()]
    runner: Any = SimpleNamespace(
        clients=SimpleNamespace(ready=clients[:1], all=clients),
        send_message=lambda kind, data, client_id: sent.append((kind, data, client_id)),
        register_message=listeners.__setitem__,
    )
    workers = LocustWorkers(runner)
    assert (workers.ready(), workers.alive()) == ({"a"}, {"a", "b"})
    workers.send("a", "kind", 5)
    assert sent == [("kind", 5, "a")]
    heard: list[Any] = []
    workers.listen("kind", lambda worker, data: heard.append((worker, data)))
    listeners["kind"](environment=None, msg=SimpleNamespace(node_id=["stranger"], data=5))
    assert heard == [(["stranger"], 5)]


def test_a_message_to_a_master_out_of_reach_is_dropped() -> None:
    from locust.exception import RPCError

    def cut_off(kind: str, data: Any) -> None:
        raise RPCError("no more can be queued")

    listeners: dict[str, tuple[Any, bool]] = {}

    def register_message(kind: str, listener: Any, concurrent: bool = False) -> None:
        listeners[kind] = listener, concurrent

    runner: Any = SimpleNamespace(
        client_id="w1",
        send_message=cut_off,
        register_message=register_message,
        environment=SimpleNamespace(parsed_options=SimpleNamespace(processes=2)),
    )
    master = LocustMaster(runner)
    assert (master.worker, master.has_same_terminal) == ("w1", True)
    master.send("kind", 5)
    heard: list[Any] = []
    master.listen("kind", heard.append, concurrent=True)
    listener, concurrent = listeners["kind"]
    listener(environment=None, msg=SimpleNamespace(data=7))
    assert (heard, concurrent) == ([7], True)


def test_locust_tells_a_controller_of_its_runs_and_ramps_as_it_says(
    local: Callable[..., runners.LocalRunner],
) -> None:
    calls: list[str] = []
    runner = local(ChatUser)
    environment = runner.environment
    controller: Any = SimpleNamespace(
        on_ramp=lambda first, rate, workers: calls.append(f"ramp {first} {rate} {list(workers)}"),
        is_even=lambda: True,
        run_on=lambda: None,
        workers=tuple,
        on_late=calls.append,
        is_on=lambda: True,
        on_test_start=lambda: calls.append("start"),
        on_test_stopping=lambda: calls.append("stopping"),
        on_test_stop=lambda: calls.append("stop"),
    )
    connect(environment, controller)
    connect_worker(environment, SimpleNamespace(on_test_start=lambda: calls.append("worker")))  # type: ignore[arg-type]
    runner.start(2, spawn_rate=100)
    gevent.sleep(0.2)
    runner.stop()
    assert calls == ["start", "worker", "ramp 0 100 ['local']", "stopping", "stop"]


# -- Locust's user classes


class Acts:
    """A behaviour that notes what it is asked."""

    def __init__(self, session: Any) -> None:
        self.calls: list[str] = session
        self.is_in = self.has_left = False

    def come_in(self) -> None:
        self.is_in = True
        self.calls.append("in")

    def act(self) -> None:
        self.calls.append("act")

    def pause_s(self) -> float:
        return 0.5

    def go(self, reason: str) -> None:
        self.is_in, self.has_left = False, True
        self.calls.append(reason)


class Someone(LoadUser):
    behaviour = Acts  # type: ignore[assignment]


class Forgetful(Someone):
    def on_start(self) -> None:
        """Without super().on_start()."""


def someone(user: type[LoadUser], session: Any) -> LoadUser:
    environment: Any = SimpleNamespace(chatload_process=FakeProcess())
    environment.chatload_process.session = session
    return user(environment)


def test_a_user_does_what_its_behaviour_says() -> None:
    calls: list[str] = []
    user = someone(Someone, calls)
    assert not user.has_left
    user.on_start()
    user.hold_turn()
    assert user.wait_time() == 0.5
    user.on_stop()
    user.hold_turn()
    assert calls == ["in", "act", "stopped"]
    assert (user.has_left, user.wait_time()) == (True, GONE_S)


def test_a_chat_user_hands_its_class_s_system_prompt_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "chatload.runner.locust_users.ChatBehaviour", lambda session, system: (session, system)
    )

    class Seller(ChatUser):
        system_prompt = "You sell shoes."

    class Wrong(ChatUser):
        system_prompt = 7  # type: ignore[assignment]

    session: Any = SimpleNamespace(plan=SimpleNamespace(load=None))
    made: Any = someone(Seller, session).make_behaviour(session)
    assert made == (session, "You sell shoes.")
    with pytest.raises(UsageError, match=r"Wrong\.system_prompt is 7: must be a text"):
        someone(Wrong, session).make_behaviour(session)


def test_without_a_run_a_user_waits_to_be_stopped() -> None:
    user = someone(Someone, None)
    user.on_start()
    user.hold_turn()
    assert (user.wait_time(), user.has_left) == (GONE_S, False)
    user.on_stop()


def test_a_class_that_forgot_to_start_is_told_so() -> None:
    user = someone(Forgetful, [])
    user.on_start()
    with pytest.raises(UsageError, match=r"Forgetful.on_start: call super\(\).on_start\(\) in it"):
        user.hold_turn()
