"""User classes of a scenario of one's own: what they declare, what they take from the options, and the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Plan
from chatload.loads.user_classes import DECLARED, STARTED, DeclaredClass
from chatload.model.errors import UsageError
from tests.plans import plan_of

HOST = "http://127.0.0.1:1"


def plan(*classes: DeclaredClass, users: int = 0, **values: Any) -> Plan:
    total = users or sum(one.users for one in classes)
    return plan_of(
        "chat", {"host": HOST, "num_users": total, DECLARED: lambda users, picked: classes, **values}
    )


def own(name: str = "Shopper", users: int = 2, *, waits: bool = False, **attributes: Any) -> DeclaredClass:
    return DeclaredClass(name, users, own=True, waits=waits, attributes=attributes)


def load_of(*classes: DeclaredClass, **values: Any) -> ChatLoad:
    load = plan(*classes, **values).load
    assert isinstance(load, ChatLoad)
    return load


@pytest.mark.parametrize(("started", "others", "rate"), [(7, 4, 3 / 7), (3, 0, 1.0)])
def test_users_whom_locust_does_not_start_are_nobody(started: int, others: int, rate: float) -> None:
    """Where each class has a fixed_count, --users may ask for more than there will be."""
    load = load_of(own(users=3), users=7, **{STARTED: lambda users, picked: started}, spawn_rate=1)
    assert (load.users, load.others, load.users_per_s) == (3, others, rate)
    assert ("beside" in load.sentence()) is bool(others)


def test_a_class_that_sets_nothing_is_what_the_options_say() -> None:
    values = {"model": "m", "turns": "3", "think_time": "1..3", "max_tokens": "7", "temperature": "0.1"}
    (one,) = load_of(own(), **values, body='{"top_p": 0.5}', headers='{"X-A": "b"}').classes
    assert (one.model, one.turns, one.think_time, one.max_tokens) == ("m", 3, "1..3", 7)
    assert (one.temperature, one.body, one.headers, one.system_prompt) == (
        0.1,
        {"top_p": 0.5},
        {"X-A": "b"},
        "",
    )


def test_what_a_class_sets_stands_above_the_options() -> None:
    mine = own(
        model="n",
        turns=5,
        think_time="exp 2",
        max_tokens=9,
        temperature=0,
        body={"top_k": 1},
        headers={"X-C": "d"},
        system_prompt="You\nsell.",
    )
    (one,) = load_of(mine, model="m", turns="3", body='{"top_p": 0.5}').classes
    assert (one.model, one.turns, one.think_time, one.max_tokens) == ("n", 5, "exp 2", 9)
    assert (one.temperature, one.body, one.headers) == (0.0, {"top_k": 1}, {"X-C": "d"})
    assert one.system_prompt == "You\nsell."


def test_none_is_what_the_option_has_for_it() -> None:
    (one,) = load_of(own(turns=None, max_tokens=None, temperature=None)).classes
    assert (one.turns, one.max_tokens, one.temperature) == (0, None, None)


def test_every_mistake_of_every_class_is_one_line_that_names_class_and_attribute() -> None:
    with pytest.raises(UsageError) as wrong:
        plan(
            own(turns=-1, model="a\nb", body={"x": object()}),
            own("Other", headers={"Content-Length": "1"}, think_time="soon", max_tokens=True),
            own("Third", waits=True, think_time=2),
        )
    lines = wrong.value.lines
    assert [line.split(":")[0].split(" ")[0] for line in lines] == [
        "Shopper.model", "Shopper.turns", "Shopper.body",
        "Other.think_time", "Other.max_tokens", "Other.headers", "Third.think_time",
    ]  # fmt: skip
    assert lines[1] == "Shopper.turns '-1': must be a whole number from 0 to 1,000,000"
    assert lines[-1] == "Third.think_time: has no effect, the class has a wait_time too: keep one of them"


def test_the_plan_counts_the_turns_of_each_class() -> None:
    load = load_of(own(turns=4), own("Slow", 3, turns=2, waits=True))
    assert (load.turns_planned, load.users_and_turns, load.users) == (14, None, 5)
    assert load.sentence() == (
        "5 users over 5 s: 2 Shopper (4 turns, think 2 s), 3 Slow (2 turns, its own wait_time)"
    )
    assert load.bounds() == "14 turns"
    assert [load.is_endless(name) for name in ("Shopper", "Slow")] == [False, False]


def test_a_class_without_a_number_of_turns_leaves_the_plan_without_one() -> None:
    load = load_of(own(turns=4), own("Slow", 3, turns=None))
    assert (load.turns_planned, load.users_and_turns, load.bounds()) == (
        None,
        None,
        "no end but --run-time, a shape or Ctrl-C",
    )
    assert [load.is_endless(name) for name in ("Shopper", "Slow")] == [False, True]
    assert load_of(own(turns=4), own("Slow", 0, turns=None)).turns_planned == 8, "nobody is of that class"


def test_turns_0_is_until_the_run_is_stopped_for_the_ready_made_user_too() -> None:
    load = plan_of("chat", {"host": HOST, "num_users": 2, "turns": "0"}).load
    assert isinstance(load, ChatLoad)
    assert (load.turns_planned, load.users_and_turns, load.is_endless("ChatUser")) == (None, None, True)
    assert load.sentence() == "2 users over 2 s, until they are stopped, 2 s after each reply"


def test_users_beside_are_no_chat_users() -> None:
    load = load_of(own(users=3, turns=2), users=4, spawn_rate=2)
    assert (load.users, load.others, load.users / load.users_per_s) == (3, 1, 2.0)
    assert load.sentence().startswith("3 users over 2 s, beside 1 other: ")
    ready = plan(DeclaredClass("ChatUser", 3), users=4, turns="2").load
    assert (ready.users, ready.turns_planned) == (3, 6)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("open_loop", {"requests": "4"}), ("sweep", {}), ("capacity", {"slo": "p95 ttft_ms <= 500"})],
)
def test_users_beside_are_none_of_any_load_s(kind: str, values: dict[str, str]) -> None:
    """Each of n users sends every n-th request: one who is none of ours would leave its share unsent."""
    ours = (DeclaredClass("Ours", 1),)
    load = plan_of(kind, {"host": HOST, "num_users": 3, DECLARED: lambda users, picked: ours, **values}).load
    assert (load.users, load.others, load.users_per_s) == (1, 2, 1 / 3)
    assert "beside 2 other users" in load.sentence()


def test_servers_are_apart_that_differ_in_host_route_dialect_or_model() -> None:
    one = plan(
        own("Same", model="m"),
        own("Host", host="http://127.0.0.1:2"),
        own("Route", host=f"{HOST}/v1/completions", model="m"),
        own("Dialect", dialect="tgi-native", model="m"),
        own("Model", model="n"),
        own("Again", model="n", headers={"X-A": "b"}, max_tokens=3),
        model="m",
    )
    assert isinstance(one.load, ChatLoad)
    keys = {user_class.name: one.server_key(user_class) for user_class in one.load.classes}
    assert keys["Same"] == ""
    assert keys.pop("Again") == keys["Model"]
    assert len(set(keys.values())) == len(keys)
    seen = one.for_user_class(next(found for found in one.load.classes if found.name == "Dialect"))
    assert (seen.server, seen.host, seen.model) == ("tgi-native", HOST, "m")


@pytest.mark.parametrize(
    ("classes", "run"),
    [
        ((own("A", model="a"), own("B", model="b", dialect="vllm")), ("a", "auto")),
        ((own("A", model="a"), own("B")), ("", "auto")),
        ((own("A", model="a"), DeclaredClass("Ready", 1)), ("", "auto")),
        ((own("A", dialect="tgi"),), ("", "tgi")),
    ],
)
def test_the_run_s_own_server_is_one_that_somebody_asks(
    classes: Sequence[DeclaredClass], run: tuple[str, str]
) -> None:
    """A server of several models would have to be told which one, though each class says its own."""
    found = plan(*classes)
    assert (found.model, found.server) == run


@pytest.mark.parametrize("classes", [(), (own(users=0),)])
def test_a_run_without_a_chat_user_is_none_of_ours(classes: Sequence[DeclaredClass]) -> None:
    with pytest.raises(UsageError, match="--users '4': none of them is a chat user: "):
        plan(*classes, users=4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("history", "on"),
        ("prompt", "x"),
        ("prompts", "f"),
        ("abandon", "10% after 5 tokens"),
        ("think_first", "on"),
        ("prompt_tokens", "50"),
        ("shared_prefix_tokens", "50"),
    ],
)
def test_what_only_the_ready_made_user_does_has_no_effect_on_tasks(name: str, value: str) -> None:
    with pytest.raises(
        UsageError, match="has no effect on users whose tasks say what they send: leave it out"
    ):
        plan(own(), **{name: value})


def test_a_class_without_a_task_is_refused_by_name() -> None:
    """Locust would raise in each of its users once the run has begun."""
    idle = replace(own("Idle"), has_tasks=False)
    with pytest.raises(
        UsageError, match=r"^Idle: has no task, or none that --tags and --exclude-tags leave: "
    ):
        plan(own(), idle)
    assert plan(own(), replace(idle, users=0))


def test_confidential_headers_stay_out_of_the_manifest() -> None:
    mine = own(headers={"X-Team": "secret"}, host="http://127.0.0.1:2/v1?team=red")
    kept = plan(mine).for_manifest()
    assert isinstance(kept.load, ChatLoad)
    assert kept.load.classes[0].headers == {"X-Team": "…"}
    assert kept.load.classes[0].route.query == "team=…"


def test_a_pause_is_told_by_the_shortest_think_time() -> None:
    assert load_of(own(), own("Fast", waits=True)).pauses
    assert not load_of(own(), own("Fast", think_time=0)).pauses


def test_under_a_load_test_shape_nobody_knows_how_many_users_there_are() -> None:
    load = load_of(own(turns=3), user_curve="Day")
    assert (load.turns_planned, load.users_and_turns, load.follows_user_curve) == (None, None, True)
    assert load.sentence() == "users as Day says: Shopper (3 turns, think 2 s)"
    assert not load.until_stopped, "the shape ends it"


def test_a_plan_without_an_end_is_whole_whenever_it_is_stopped() -> None:
    assert load_of(own(turns=None)).until_stopped
    assert not load_of(own(turns=1)).until_stopped


def test_an_slo_of_a_name_is_for_scenarios_that_name_turns() -> None:
    assert plan(own(), slo="ask: p50 ttft_ms <= 5").slo[0].name == "ask"
    with pytest.raises(
        UsageError, match=r"turns have names in a scenario of its own, with .*: leave the name out"
    ):
        plan(DeclaredClass("ChatUser", 1), slo="ask: p50 ttft_ms <= 5")
    named = plan(DeclaredClass("ChatUser", 1), slo="a: p50 ttft_ms <= 5", model="a=1,b=2").slo
    assert named[0].name == "a"


def test_users_of_a_class_without_a_model_have_those_of_the_run() -> None:
    first, other = load_of(own(), own("Other", model="c"), model="a=1,b=2").classes
    assert (first.model, other.model) == ("", "c")
    with pytest.raises(UsageError, match=r"Shopper.model 'a=1,b=2': a class has one model"):
        plan(own(model="a=1,b=2"))


def test_a_class_may_have_a_host_of_its_own() -> None:
    found = plan(own(host="http://127.0.0.1:2/v1", model="n"), own("Other", host=f"{HOST}/"), own("Third"))
    assert isinstance(found.load, ChatLoad)
    first, *others = found.load.classes
    assert (first.host, first.route.apis, found.load.hosts) == ("http://127.0.0.1:2", ("/v1",), (first.host,))
    assert [one.host for one in others] == ["", ""], "the run's own"
    assert first.words == "2 Shopper (10 turns, think 2 s, at http://127.0.0.1:2)"
    seen = found.for_user_class(first)
    assert (seen.host, seen.route, seen.model) == (first.host, first.route, "n")
    assert found.for_user_class(others[0]).host == HOST


def test_a_wrong_host_is_told_as_the_class_has_it() -> None:
    with pytest.raises(UsageError, match=r"^Shopper.host 'gpu': must be the server's address"):
        plan(own(host="gpu"))


@pytest.mark.parametrize(
    ("edits", "turns"), [([], 200), ([30], 300), ([30, 40], 400), ([10], None), ([30, 25], None)]
)
def test_users_that_are_added_hold_as_many_turns(edits: list[int], turns: int | None) -> None:
    chat = plan_of("chat", {"host": "http://127.0.0.1:1", "num_users": 20, "turns": "10"}).load
    assert chat.turns_with(edits) == turns
    assert plan_of("sweep", {"host": "http://127.0.0.1:1"}).load.turns_with([2]) is None
