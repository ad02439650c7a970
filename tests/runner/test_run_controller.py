"""How runs begin and end in one process, on a manual clock, without Locust."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from chatload.engine.api_key import ApiKey
from chatload.loads.plan import Plan
from chatload.loads.registry import SHAPES
from chatload.model.journal_lines import EndLine, JournalLine, ServerLine, UserLine, decode
from chatload.model.turn import Message, Turn
from chatload.runner.local_users import LocalUsers
from chatload.runner.messages import LevelOrder
from chatload.runner.preflight import Server, Unfit
from chatload.runner.run_controller import LEAVE_S, QUIT_S, RunController, Services
from chatload.runner.supervisor import Cause
from tests.manual_clock import ManualClock
from tests.runner.fake_locust import SERVER, FakeConsole, FakeMetrics, FakeObserver, FakeProcess


class Local:
    """A process that makes local runs. `answer` is what asking the server comes to."""

    def __init__(self, kind: str = "chat", *, headless: bool = True, **options: Any) -> None:
        self.clock = ManualClock()
        self.process = FakeProcess(**{"num_users": 2, "out": "run", **options})
        self.process.on_stop = self._stop
        self._is_started = False
        self.console: Any = FakeConsole()
        self.finished: list[Path] = []
        self.code = 0
        self.answer: Callable[[], Server] = lambda: SERVER
        self.withheld: str | None = None
        services = Services(self._finish, self._judge, self._ask, self._read_metrics, self.clock)
        self.controller = RunController(
            self.process, None, SHAPES[kind], services, self.console, headless=headless
        )

    def start(self) -> Local:
        """As Locust starts a run: its listeners, then the ramp."""
        self._is_started = True
        self.controller.supervisor.begin()
        self.clock.run(self.controller.on_test_start)
        if self.controller.is_on():
            self.clock.run(self.controller.on_ramp, 0, 1.0, ["local"])
        return self

    def users(self, event: str, *numbers: int) -> None:
        """Users come in, or go."""
        session = self.process.session
        assert session is not None
        for number in numbers:
            session.user_in(number) if event == "in" else session.user_out(number, "done")

    def whole(self) -> Local:
        """A whole run: both users come and go."""
        self.start()
        self.users("in", 0, 1)
        self.clock.sleep(1)
        self.users("out", 0, 1)
        self.clock.sleep(5)
        return self

    @property
    def manifest(self) -> dict[str, Any]:
        assert self.controller.folder is not None
        found: dict[str, Any] = json.loads((self.controller.folder / "manifest.json").read_text())
        return found

    @property
    def journal(self) -> list[JournalLine | None]:
        assert self.controller.folder is not None
        raw = (self.controller.folder / "journal-local.jsonl").read_bytes()
        return [decode(line) for line in raw.splitlines()]

    def _stop(self) -> None:
        """Locust says once that a run is stopped."""
        if self._is_started:
            self._is_started = False
            self.controller.on_test_stop()

    def _finish(self, folder: Path, plan: Plan) -> int:
        self.finished.append(folder)
        return self.code

    def _judge(self, turns: Any, slo: Any) -> tuple[str, bool, list[dict[str, Any]]]:
        return "met", True, []

    def _ask(self, plan: Plan, key: ApiKey, withheld: str | None) -> Server:
        self.withheld = withheld
        return self.answer()

    def _read_metrics(self, plan: Plan, emit: Callable[[ServerLine], None], key: ApiKey) -> Any:
        return FakeMetrics(emit)


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


def test_the_ramp_is_fixed_and_kept() -> None:
    one = Local().start()
    (ramp,) = one.controller.manifest.ramps
    assert (ramp.first_user, ramp.users_per_s) == (0, 1.0)
    assert ramp.start_ns == one.clock.now_ns() + 100_000_000
    session = one.process.session
    assert session is not None
    assert session.due_ns(1) == ramp.start_ns + 1_000_000_000


@pytest.mark.parametrize(("ramp", "even"), [("even", True), ("locust", False)])
def test_users_come_in_as_the_plan_says(ramp: str, even: bool) -> None:
    one = Local(ramp=ramp)
    one.controller.on_ramp(0, 1.0, ["local"])  # without a run: nothing happens
    assert not one.controller.is_even()
    assert one.start().controller.is_even() == even


def test_the_progress_is_said_every_two_seconds_where_nobody_has_the_page() -> None:
    for headless, times in ((True, 3), (False, 0)):
        one = Local(headless=headless, label="x")
        one.start()
        one.users("in", 0, 1)
        before = len(one.console.said)
        one.clock.sleep(7)
        assert len(one.console.said) - before == times
        assert all("users 2" in words for words in one.console.said[before:])
        one.clock.run(one.controller.end, "done")
        Path("run").rename(f"run-{headless}")


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
    observer = one.controller.observer = FakeObserver()
    one.whole()
    assert observer.runs == [one.manifest["run_id"]]
    assert observer.lines == one.journal
    assert len([line for line in observer.lines if isinstance(line, UserLine)]) == 4


def test_a_page_makes_one_run_after_another() -> None:
    one = Local(headless=False)
    one.whole()
    first = one.controller.folder
    one.process.options["turns"] = "0"  # a mistake
    one.start()
    assert one.controller.refusal != () and one.controller.folder == first
    one.process.options["turns"] = "2"
    one.whole()
    assert (one.controller.folder, one.controller.refusal) == (Path("run-2"), ())
    assert (one.controller.exit_code, one.finished) == (0, [Path("run"), Path("run-2")])


def test_the_key_is_withheld_from_a_host_that_nobody_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    one = Local(host="http://127.0.0.2:1")
    one.start()
    assert one.withheld is not None
    assert one.controller.manifest.caveats == [f"http://127.0.0.2:1: {one.withheld}"]
    session = one.process.session
    assert session is not None
    assert b"canary" not in session.target.head


def test_a_worker_that_comes_late_is_noted_while_a_run_is_on() -> None:
    one = Local()
    one.controller.on_late("w9")
    one.start()
    one.controller.on_late("w9")
    assert one.controller.manifest.late_workers == ["w9"]


# -- runs that do not begin


def test_mistakes_are_told_at_last_and_nothing_is_made() -> None:
    one = Local(turns="-1", think_time="soon").start()
    assert len(one.console.last) == 2
    assert (one.controller.exit_code, one.controller.folder, one.process.calls) == (2, None, ["quit"])
    assert one.process.session is None


def test_at_a_page_they_are_shown_there() -> None:
    one = Local(headless=False, turns="-1").start()
    assert (len(one.controller.refusal), one.console.last, one.process.calls) == (1, [], ["stop"])


def test_a_server_that_is_unfit_ends_the_run_with_1() -> None:
    one = Local()

    def unfit() -> Server:
        raise Unfit("http://127.0.0.1:1: nobody there")

    one.answer = unfit
    one.start()
    assert one.console.last == ["chatload: http://127.0.0.1:1: nobody there"]
    assert (one.controller.exit_code, one.process.calls) == (1, ["quit"])
    assert (one.manifest["ended"], one.manifest["refusal"]) == (
        "unreachable",
        "http://127.0.0.1:1: nobody there",
    )
    assert one.finished == [Path("run")]
    assert not one.controller.is_on()


def test_a_stop_while_the_server_is_asked_ends_the_run() -> None:
    one = Local()

    def stopped() -> Server:
        raise gevent.GreenletExit

    one.answer = stopped
    one.start()
    assert one.manifest["refusal"] == "stopped while the server was asked what it is"
    assert (one.controller.exit_code, one.manifest["ended"]) == (1, "unreachable")


# -- runs that fail


def test_a_run_that_fails_stops_its_users_and_ends_with_the_cause_s_code() -> None:
    one = Local().start()
    one.users("in", 0, 1)
    one.process.on_kill = lambda: one.users("out", 0, 1)
    one.controller.supervisor.fail(Cause("ValueError: planted", 2, ("a.py:1 in f",)))
    one.clock.sleep(1)
    assert one.process.calls[:2] == ["kill users", "quit"]
    assert one.console.last == ["chatload: the run failed: ValueError: planted"]
    assert (one.controller.exit_code, one.manifest["exit_code"]) == (2, 2)
    assert (one.manifest["ended"], one.manifest["failed_in"]) == ("failed", ["a.py:1 in f"])
    assert len(one.finished) == 1, "reports are written of what there is"
    assert isinstance(one.journal[-1], EndLine)


def test_a_process_that_does_not_end_after_a_failure_is_ended() -> None:
    one = Local().start()
    one.controller.supervisor.fail(Cause("planted", 4))
    one.clock.sleep(LEAVE_S - 0.1)
    assert "leave 4" not in one.process.calls
    one.clock.sleep(0.2)
    assert one.process.calls[-1] == "leave 4"
    assert one.console.ended


def test_at_a_page_a_failed_run_leaves_locust_alive() -> None:
    one = Local(headless=False).start()
    one.controller.supervisor.fail(Cause("planted"))
    one.clock.sleep(60)
    assert one.process.calls == ["kill users", "stop"]
    assert one.manifest["failure"] == "planted"


def test_users_that_vanished_fail_the_run_and_those_that_only_left_do_not() -> None:
    one = Local().start()
    one.process.users = LocalUsers(wanted=2, living=1, acting=0, spawning=False)
    one.clock.sleep(1)
    assert one.manifest["failure"].startswith("1 of 2 users never came or ended")
    Path("run").rename("before")
    one = Local().start()
    one.process.users = LocalUsers(wanted=2, living=2, acting=0, spawning=False)
    one.clock.sleep(1)
    assert (one.manifest["ended"], one.manifest.get("failure", "")) == (
        "done",
        "",
    )


def test_while_the_ramp_goes_on_nobody_is_missed() -> None:
    one = Local().start()
    one.process.is_running = False
    one.process.users = LocalUsers(wanted=2, living=0, acting=0, spawning=False)
    one.clock.sleep(60)
    assert one.controller.is_on()


def test_what_goes_wrong_at_the_start_of_a_run_fails_it() -> None:
    one = Local()

    def broken() -> Server:
        Path("run/journal-local.jsonl").mkdir()
        return SERVER

    one.answer = broken
    one.start()
    one.clock.sleep(1)
    assert (one.controller.exit_code, one.manifest["ended"]) == (2, "failed")
    assert "Is a directory" in one.manifest["failure"]


def test_what_goes_wrong_while_the_server_is_asked_closes_the_folder_too() -> None:
    one = Local()

    def broken() -> Server:
        raise ValueError("planted")

    one.answer = broken
    one.start()
    one.clock.sleep(1)
    assert (one.controller.exit_code, one.manifest["ended"], one.finished) == (2, "failed", [Path("run")])
    assert one.manifest["ended_ns"] is not None
    assert one.manifest["failure"].startswith("ValueError: planted")


def test_a_listener_that_raised_before_ours_keeps_the_run_from_beginning() -> None:
    one = Local()
    one.controller.supervisor.begin()
    one.controller.supervisor.fail(Cause("planted in test_start"))
    one.clock.run(one.controller.on_test_start)
    one.clock.sleep(1)
    assert (one.controller.folder, one.controller.exit_code) == (None, 2)
    assert one.console.last == ["chatload: the run failed: planted in test_start"]


def test_reports_that_cannot_be_written_are_an_error_of_ours() -> None:
    one = Local()

    def broken(folder: Path, plan: Plan) -> int:
        raise RuntimeError("planted")

    one.controller._services = Services(broken, one._judge, one._ask, one._read_metrics, one.clock)
    one.whole()
    assert one.controller.exit_code == 2


def test_a_part_that_cannot_be_closed_keeps_no_other_from_it() -> None:
    one = Local().start()

    def raises() -> None:
        raise OSError(5, "Input/output error", "x")

    assert one.controller._run is not None
    one.controller._run.metrics.stop = raises  # type: ignore[method-assign, union-attr]
    one.clock.run(one.controller.end, "done")
    assert isinstance(one.journal[-1], EndLine), "the session is closed"
    assert one.manifest["failure"].startswith("x: Input/output error")
    assert one.process.session is None


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
    assert any(words.startswith("chatload: capacity: 4 chat users") for words in one.console.said)
