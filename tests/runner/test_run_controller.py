"""How runs begin and end in one process, on a manual clock, without Locust."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import gevent
import pytest

from chatload.analysis.comparable import load_conditions
from chatload.analysis.completeness import planned_turns
from chatload.loads.chat import ChatLoad
from chatload.loads.user_classes import DECLARED, USER_CURVE, DeclaredClass
from chatload.model.hosts import Simulation
from chatload.model.journal_lines import EndLine, ServerLine, UserLine
from chatload.model.turn import Message, Turn
from chatload.protocols.registry import DIALECTS
from chatload.runner.messages import LevelOrder
from chatload.runner.own_process import OwnProcess
from chatload.runner.preflight import Server
from chatload.runner.run_controller import QUIT_S
from chatload.store.journal import read_run
from tests.runner.fake_locust import HOST, SERVER, FakeObserver
from tests.runner.local_run import Local


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- a run from beginning to end


@pytest.mark.parametrize(("headless", "call"), [(True, "quit"), (False, "stop")])
def test_a_run_ends_by_itself_when_its_users_are_gone(headless: bool, call: str) -> None:
    one = Local(headless=headless)
    one.code = 3
    one.start()
    one.users("in", 0, 1)
    one.users("out", 0)
    one.clock.sleep(60)
    assert one.process.calls == []
    one.users("out", 1)
    one.clock.sleep(0.2)
    assert one.process.calls == [call]
    assert (one.controller.exit_code, one.manifest["ended"], one.manifest["exit_code"]) == (3, "done", 3)
    assert one.finished == [Path("run")]
    assert not one.controller.is_on()
    assert one.process.session is None


def test_a_headless_locust_is_made_to_quit_if_it_does_not_by_itself() -> None:
    one = Local()
    one.process.on_stop = lambda: None
    one.start()
    one.clock.run(one.controller.end, "interrupted")
    assert one.process.calls == []
    one.clock.sleep(QUIT_S)
    assert one.process.calls == ["quit"]


def test_the_first_who_ends_a_run_says_why() -> None:
    one = Local().start()
    one.users("in", 0)
    one.clock.run(one.controller.on_test_stop)
    one.clock.run(one.controller.end, "done")
    assert (one.manifest["ended"], len(one.finished)) == ("interrupted", 1)


def test_a_master_is_told_of_a_stop_before_its_workers_users_are_gone() -> None:
    one = Local().start()
    one.users("in", 0, 1)
    one.clock.run(one.controller.on_test_stopping)
    one.users("out", 0, 1)
    one.clock.sleep(5)
    assert one.manifest["ended"] == "interrupted"


def test_the_ramp_is_fixed_and_kept() -> None:
    one = Local().start()
    (ramp,) = one.controller.manifest.ramps
    assert (ramp.first_user, ramp.users_per_s) == (0, 1.0)
    assert ramp.start_ns == one.clock.now_ns() + round(OwnProcess.lead_s * 1e9)
    session = one.process.session
    assert session is not None
    assert session.due_ns(1) == ramp.start_ns + 1_000_000_000


def test_a_start_that_locust_tells_twice_is_one_run() -> None:
    """It fires `test_start` at each step of a shape until the first user is there."""
    one = Local().start()
    one.clock.run(one.controller.on_test_start)
    assert (one.controller.is_on(), one.controller.exit_code, one.console.last) == (True, None, [])
    assert one.controller.is_open
    one.users("in", 0, 1)
    one.users("out", 0, 1)
    one.clock.sleep(5)
    assert (one.manifest["ended"], one.finished) == ("done", [Path("run")])
    assert not one.controller.is_open


@pytest.mark.parametrize(("ramp", "even"), [("even", True), ("locust", False)])
def test_users_come_in_as_the_plan_says(ramp: str, even: bool) -> None:
    one = Local(ramp=ramp)
    one.controller.on_ramp(0, 1.0, ["local"])  # without a run: nothing happens
    assert not one.controller.is_even()
    assert one.start().controller.is_even() == even


def test_the_progress_is_said_as_often_as_asked_where_nobody_has_the_page() -> None:
    for headless, progress, times in ((True, "2s", 3), (True, "", 0), (True, "off", 0), (False, "2s", 0)):
        one = Local(headless=headless, progress=progress)
        one.start()
        one.users("in", 0, 1)
        before = len(one.console.said)
        one.clock.sleep(7)
        assert len(one.console.said) - before == times
        assert all("users 2" in words for words in one.console.said[before:])
        one.clock.sleep(4)
        assert len(one.console.said) - before == {"": 1, "2s": 5 * headless, "off": 0}[progress]
        one.clock.run(one.controller.end, "done")
        shutil.rmtree("run")


def test_the_progress_of_a_capacity_search_is_that_of_its_level() -> None:
    one = Local(
        "capacity",
        num_users=1,
        first="3",
        most="3",
        rate="1",
        slo="p50 ttft_ms <= 500",
        history="off",
        progress="2s",
    )
    one.start()
    one.clock.sleep(7)
    assert "window 1 (3 users): 3 of 3 users, settling, 8 s left" in one.console.said[-1]
    assert "of 3 users, settling" in one.controller.level
    one.clock.run(one.controller.end, "interrupted")
    assert one.controller.level == ""


def test_turns_are_counted_and_the_server_s_last_word_is_in_the_journal() -> None:
    one = Local().start()
    one.users("in", 0, 1)
    session = one.process.session
    assert session is not None
    turn = Turn(turn_id="0-1", request_id="r", user=0, turn=1, due_ns=1, end_ns=2, ok=True)
    session.record(turn, (Message("user", "x"),), "")
    one.users("out", 0, 1)
    one.clock.sleep(5)
    assert one.manifest["turns_heard"] == 1
    kinds = [type(line) for line in one.journal]
    assert kinds.index(ServerLine) < kinds.index(EndLine) == len(kinds) - 1


def test_the_observer_is_told_of_the_run_and_its_lines() -> None:
    one = Local()
    observer = FakeObserver()
    one.controller.observers.append(observer)
    one.whole()
    assert observer.runs == [one.manifest["run_id"]]
    assert observer.lines == one.journal
    assert len([line for line in observer.lines if isinstance(line, UserLine)]) == 4


def test_a_page_makes_one_run_after_another() -> None:
    one = Local(headless=False)
    one.whole()
    first = one.controller.folder
    one.process.options["turns"] = "-1"  # a mistake
    one.start()
    assert one.controller.refusal != () and one.controller.folder == first
    one.process.options["turns"] = "2"
    one.whole()
    assert (one.controller.folder, one.controller.refusal) == (Path("run-2"), ())
    assert (one.controller.exit_code, one.finished) == (0, [Path("run"), Path("run-2")])


def test_the_end_of_a_load_test_shape_is_the_run_s() -> None:
    one = Local(user_curve="Day")
    one.start()
    one.users("in", 0, 1)
    one.users("out", 0, 1)
    one.clock.sleep(5)
    assert one.controller.is_on(), "others may come"
    one.process.is_ended_by_shape = True
    one.process.stop()
    assert one.manifest["ended"] == "done"


def test_users_without_a_number_of_turns_are_not_waited_for() -> None:
    classes = tuple(
        DeclaredClass(name, 1, own=True, attributes={"turns": turns})
        for name, turns in (("A", 1), ("B", None))
    )
    one = Local(**{DECLARED: lambda users, picked: classes})
    one.process.classes = {"A": 1, "B": 1}
    one.start()
    session = one.process.session
    assert session is not None
    session.user_in(1, endless=True)
    one.clock.sleep(5)
    assert one.controller.is_on(), "A has yet to come"
    session.user_in(0)
    session.user_out(0, "done")
    one.clock.sleep(5)
    assert not one.controller.is_on()
    assert one.manifest["ended"] == "done"


def test_an_edit_of_the_number_of_users_is_told_and_ends_the_count_of_planned_turns() -> None:
    one = Local(turns="3").start()
    assert one.manifest["plan_sentence"].endswith("at least 6 s.") and "edits" not in one.manifest
    for seconds, users in ((4, 5), (6, 1)):
        one.clock.sleep(seconds)
        one.process.target_users = users
        one.clock.run(one.controller.on_ramp, 2, 1.0, ["local"])
    assert one.manifest["plan_sentence"].endswith("at least 6 s. Users edited: 5 after 4 s, 1 after 10 s.")
    assert [edit["users"] for edit in one.manifest["edits"]] == [5, 1]
    one.clock.run(one.controller.end, "done")
    assert one.controller.folder is not None
    run = read_run(one.controller.folder)
    assert (planned_turns(run), run.manifest.load and run.manifest.load.turns_planned) == (None, 6)
    assert load_conditions(run.manifest)["users edited"] == "5 after 4 s, 1 after 10 s"


def test_the_steps_of_a_load_test_shape_are_no_edits() -> None:
    mine = DeclaredClass("Shopper", 2, own=True)
    one = Local(**{DECLARED: lambda users, picked: (mine,), USER_CURVE: "Day"}).start()
    one.clock.run(one.controller.on_ramp, 2, 1.0, ["local"])
    assert "edits" not in one.manifest


def test_each_host_of_a_user_class_is_asked_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    other = "http://127.0.0.1:2"
    here, there = (
        DeclaredClass(name, 1, own=True, attributes={"host": host, "headers": {"X-A": name}})
        for name, host in (("Here", HOST), ("There", other))
    )
    third = DeclaredClass("Third", 1, own=True, attributes={"dialect": "tgi-native", "model": "x"})
    one = Local(num_users=3, **{DECLARED: lambda users, picked: (here, there, third)})
    asked: list[tuple[str, str, str]] = []

    def answer() -> Server:
        asked.append((one.asked_plan.host, one.asked_plan.server, one.asked_plan.model))
        dialect = "tgi" if one.asked_plan.server == "tgi-native" else "openai"
        return replace(SERVER, dialect=DIALECTS[dialect])

    one.answer = answer
    one.start()
    session = one.process.session
    assert session is not None and isinstance(session.plan.load, ChatLoad)
    assert asked == [(HOST, "auto", ""), (other, "auto", ""), (HOST, "tgi-native", "x")]
    first, second, third_target = (session.target_of(found) for found in session.plan.load.classes)
    assert (third_target.address.port, third_target.dialect.name, first.dialect.name) == (1, "tgi", "openai")
    assert (first.address.port, second.address.port) == (1, 2)
    assert b"X-A: There" in second.head and b"sk-canary" not in second.head, "nobody gave it the key"
    told = [(found["host"], found["classes"]) for found in one.manifest["other_servers"]]
    assert told == [(other, ["There"]), (HOST, ["Third"])]
    assert one.manifest["server"]["classes"] == ["Here"]
    assert one.metrics_keys == {HOST: True, other: False}, "a page a host, with the key that it may have"
    one.clock.run(one.controller.end, "done")
    assert sorted(line.host for line in one.journal if isinstance(line, ServerLine)) == [HOST, other]


def test_the_run_s_own_model_is_the_first_class_s_where_each_has_one() -> None:
    """Else a server of several models would be asked which one, though nobody asks for it."""
    classes = tuple(DeclaredClass(name, 1, own=True, attributes={"model": name}) for name in ("A", "B"))
    one = Local(num_users=2, **{DECLARED: lambda users, picked: classes})
    asked: list[str] = []

    def answer() -> Server:
        asked.append(one.asked_plan.model)
        return SERVER

    one.answer = answer
    one.start()
    assert asked == ["A", "B"]


def test_the_key_is_withheld_from_a_host_that_nobody_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    one = Local(host="http://127.0.0.2:1")
    one.start()
    assert one.withheld is not None
    assert one.controller.manifest.warnings == [f"http://127.0.0.2:1: {one.withheld}"]
    session = one.process.session
    assert session is not None
    assert b"canary" not in session.target.head


def test_a_worker_that_comes_late_is_noted_while_a_run_is_on() -> None:
    one = Local()
    one.controller.on_late("w9")
    one.start()
    one.controller.on_late("w9")
    assert one.controller.manifest.late_workers == ["w9"]


# -- a capacity search


CAPACITY = {
    "slo": "p50 ttft_ms <= 500",
    "first": "4",
    "most": "4",
    "rate": "4",
    "settle": "3",
    "measure": "5",
    "windows": "1",
    "history": "off",
}


def test_a_capacity_search_runs_beside_and_its_answer_is_in_the_manifest() -> None:
    one = Local("capacity", **CAPACITY, num_users=1).start()
    session = one.process.session
    assert session is not None
    one.users("in", 0)
    orders: list[LevelOrder] = []

    def play() -> None:
        while not orders or orders[-1].users:
            orders.append(session.levels.get())
            one.clock.sleep(20)

    gevent.spawn(play)
    one.clock.sleep(200)
    one.users("out", 0)
    one.clock.sleep(1)
    assert [order.users for order in orders] == [4, 0]
    assert one.manifest["capacity"]["users"] == 4
    assert "chatload: the search has ended: 1 level measured" in one.console.said


def test_a_simulated_server_that_was_late_itself_is_a_warning() -> None:
    one = Local()
    found = replace(SERVER.found, simulation=Simulation("vllm-v1@demo"))
    one.answer = lambda: replace(SERVER, found=found)
    late = Mock()
    late.doubt.return_value = "it was late itself"
    one.controller._services = replace(one.controller._services, lateness=lambda plan, key: late)
    one.whole()
    assert one.manifest["warnings"] == ["it was late itself"]


def test_no_other_server_is_asked_whether_it_was_late() -> None:
    one = Local()
    one.controller._services = replace(one.controller._services, lateness=Mock(side_effect=AssertionError))
    assert one.whole().manifest["ended"] == "done"
