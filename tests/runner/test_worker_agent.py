"""A worker's side of a run, on a manual clock."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatload.model.journal_lines import EndLine, StartLine, UserLine, decode
from chatload.runner import messages
from chatload.runner.local_users import LocalUsers
from chatload.runner.messages import FLUSH_S, RESEND_S, LevelOrder, Start
from chatload.runner.session import Session
from chatload.runner.worker_agent import DRAIN_S, WorkerAgent
from tests.manual_clock import ManualClock
from tests.plans import planned
from tests.runner.fake_locust import HOST, FakeMaster, FakeProcess

S = 1_000_000_000


class Worker:
    """The agent of w1, with the master's side of its messages."""

    def __init__(self, folder: Path, *, acknowledges: bool = True, **options: Any) -> None:
        self.clock = ManualClock()
        self.process, self.master = FakeProcess(**options), FakeMaster()
        self.agent = WorkerAgent(self.process, self.master, self.clock)
        self.folder = folder
        if acknowledges:
            self.master.on_send = self._acknowledge

    def start(self, run_id: str = "r", **values: Any) -> Worker:
        plan = planned("chat", {"host": HOST, "num_users": 4, **values})
        start = Start(
            run_id=run_id,
            folder=str(self.folder),
            dialect="openai",
            model="m",
            planned=plan,
            clock_offset_ns=5,
        )
        data = {"run_id": run_id, "start": messages.packed(start)}
        self.clock.run(self.master.says, messages.START, data)
        return self

    @property
    def session(self) -> Session:
        assert self.process.session is not None
        return self.process.session

    def sent(self, kind: str) -> list[Any]:
        return [data for what, data in self.master.sent if what == kind]

    def lines(self) -> list[Any]:
        """The journal lines sent so far, each batch once."""
        batches = {data["number"]: data["lines"] for data in self.sent(messages.LINES)}
        return [decode(line) for number in sorted(batches) for line in batches[number]]

    def _acknowledge(self, kind: str, data: Any) -> None:
        if kind == messages.LINES:
            ack = {"run_id": data["run_id"], "number": data["number"]}
            self.clock.later(0.001, lambda: self.master.says(messages.ACK, ack))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(**more: Any) -> Worker:
        made.append(Worker(tmp_path / "run", **more))
        return made[-1]

    yield make
    for one in made:
        one.clock.run(one.agent.finish, "the test is over")


def test_a_worker_answers_what_its_clock_says(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.master.says(messages.ASK_CLOCK, {"asked_ns": 7})
    (answer,) = one.sent(messages.TELL_CLOCK)
    assert (answer["asked_ns"], answer["answered_ns"]) == (7, one.clock.now_ns())


def test_a_worker_begins_when_it_is_told_says_so_at_once_and_sends_its_lines_twice_a_second(
    worker: Callable[..., Worker], tmp_path: Path
) -> None:
    one = worker().start()
    assert [type(line) for line in one.lines()] == [StartLine]
    one.session.user_in(0)
    assert len(one.lines()) == 1
    one.clock.sleep(FLUSH_S)
    assert [type(line) for line in one.lines()] == [StartLine, UserLine]
    assert one.lines()[0].clock_offset_ns == 5
    assert one.lines()[0].machine is not None
    assert (tmp_path / "run" / "journal-w1.jsonl").exists()


def test_what_the_master_does_not_acknowledge_is_sent_again(worker: Callable[..., Worker]) -> None:
    one = worker(acknowledges=False).start()
    one.clock.sleep(RESEND_S + 0.1)
    numbers = [data["number"] for data in one.sent(messages.LINES)]
    assert numbers.count(1) == 2
    one.master.says(messages.ACK, {"run_id": "r", "number": 1})
    one.clock.sleep(RESEND_S)
    assert [data["number"] for data in one.sent(messages.LINES)].count(1) == 2


def test_a_ramp_says_which_users_are_this_worker_s_and_when(worker: Callable[..., Worker]) -> None:
    one = worker().start()
    ramp = {
        "first_user": 0,
        "start_ns": 50,
        "lead_s": 1.0,
        "users_per_s": 2.0,
        "workers": ["w0", "w1", "w2"],
        "before": 5,
    }
    one.master.says(messages.RAMP, ramp)
    assert [(one.session.new_place(), one.session.new_user()) for _ in range(2)] == [(5, 1), (6, 4)]
    assert one.session.due_ns(4) == 50 + 2 * S


def test_a_ramp_of_a_master_that_does_not_know_our_clock_begins_after_its_lead(
    worker: Callable[..., Worker],
) -> None:
    one = worker().start()
    ramp = {
        "first_user": 0,
        "start_ns": None,
        "lead_s": 1.0,
        "users_per_s": 2.0,
        "workers": ["w1"],
        "before": 0,
    }
    one.master.says(messages.RAMP, ramp)
    assert one.session.due_ns(0) == one.clock.now_ns() + S


def test_a_level_is_passed_to_the_users(worker: Callable[..., Worker]) -> None:
    one = worker().start()
    order = LevelOrder(users=3, level=1, start_ns=5, end_ns=6)
    one.master.says(messages.LEVEL, messages.packed(order))
    assert one.session.levels.get_nowait() == order


def test_without_a_run_ramps_levels_and_acknowledgements_are_nothing(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.master.says(messages.RAMP, {})
    one.master.says(messages.LEVEL, messages.packed(LevelOrder(users=0)))
    one.master.says(messages.ACK, {"run_id": "r", "number": 1})
    assert one.master.sent == []


def test_a_drain_stops_the_users_sends_the_last_lines_and_says_so(worker: Callable[..., Worker]) -> None:
    one = worker().start()
    one.session.user_in(0)
    session = one.session
    one.process.on_stop = lambda: session.user_out(0, "stopped")
    assert messages.DRAIN in one.master.concurrent, "it waits, and acknowledgements must come meanwhile"
    one.clock.run(one.master.says, messages.DRAIN, {"at_once": False})
    assert one.process.calls == ["stop"]
    assert [kind for kind, _ in one.master.sent[-2:]] == ["stats", messages.DRAINED]
    assert one.sent(messages.DRAINED) == [{"run_id": "r"}]
    lines = one.lines()
    end = lines[-1]
    assert isinstance(end, EndLine)
    assert (end.reason, end.lines) == ("drained", len(lines))
    assert [line.event for line in lines if isinstance(line, UserLine)] == ["in", "out"]
    assert one.process.session is None


def test_a_drain_of_a_failed_run_kills_the_users(worker: Callable[..., Worker]) -> None:
    one = worker().start()
    one.clock.run(one.master.says, messages.DRAIN, {"at_once": True})
    assert one.process.calls == ["kill users", "stop"]


def test_a_master_that_is_gone_is_not_waited_for_for_ever(worker: Callable[..., Worker]) -> None:
    one = worker(acknowledges=False).start()
    began_s = one.clock.now_s
    one.clock.run(one.agent.finish, "stopped")
    assert DRAIN_S <= one.clock.now_s - began_s < DRAIN_S + 0.1


def test_a_worker_that_had_no_part_in_a_run_is_drained_too(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.clock.run(one.master.says, messages.DRAIN, {"at_once": False})
    assert one.sent(messages.DRAINED) == [{"run_id": None}]


def test_a_second_run_begins_anew(worker: Callable[..., Worker]) -> None:
    one = worker().start("first")
    one.clock.run(one.master.says, messages.DRAIN, {"at_once": False})
    one.start("second")
    one.clock.sleep(FLUSH_S)
    assert one.sent(messages.LINES)[-1]["run_id"] == "second"
    assert one.sent(messages.LINES)[-1]["number"] == 1


# -- what goes wrong


def test_a_run_that_cannot_begin_here_is_told_to_the_master(
    worker: Callable[..., Worker], capsys: pytest.CaptureFixture[str]
) -> None:
    one = worker()
    one.clock.run(one.master.says, messages.START, {"run_id": "r", "start": b"of another version"})
    one.clock.sleep(0)
    (told,) = one.sent(messages.FAILED)
    assert (told["run_id"], told["exit_code"]) == ("r", 2)
    assert "Error" in told["words"]
    assert "chatload: the run failed: " in capsys.readouterr().err


def test_a_worker_that_shares_the_master_s_terminal_leaves_the_words_to_it(
    worker: Callable[..., Worker], capsys: pytest.CaptureFixture[str]
) -> None:
    one = worker()
    one.master.has_same_terminal = True
    one.clock.run(one.master.says, messages.START, {"run_id": "r", "start": b""})
    one.clock.sleep(0)
    assert len(one.sent(messages.FAILED)) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("is_running", "living", "acting", "fails"),
    [(True, 3, 0, True), (True, 4, 0, False), (True, 3, 1, False), (False, 3, 0, False)],
)
def test_users_that_vanished_while_no_other_can_act_fail_the_run(
    worker: Callable[..., Worker], is_running: bool, living: int, acting: int, fails: bool
) -> None:
    one = worker().start()
    one.process.is_running = is_running
    one.process.users = LocalUsers(wanted=4, living=living, acting=acting, spawning=False)
    one.clock.sleep(2)
    assert len(one.sent(messages.FAILED)) == (1 if fails else 0)


def test_users_that_were_stopped_have_not_vanished_however_long_the_last_lines_take(
    worker: Callable[..., Worker],
) -> None:
    one = worker(acknowledges=False).start()
    one.process.users = LocalUsers(wanted=4, living=0, acting=0, spawning=False)
    one.clock.run(one.agent.finish, "stopped")
    assert one.sent(messages.FAILED) == []


def test_users_that_are_to_start_without_a_run_are_told_to_the_master(worker: Callable[..., Worker]) -> None:
    one = worker()
    one.agent.on_test_start()
    (told,) = one.sent(messages.FAILED)
    assert (told["run_id"], told["words"]) == (None, "it was never told that the run begins")
    one.start()
    one.agent.on_test_start()
    assert len(one.sent(messages.FAILED)) == 1


def test_a_worker_without_a_folder_for_its_journal_keeps_it_elsewhere(
    worker: Callable[..., Worker],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "run").write_text("in the way")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    one = worker().start()
    assert one.session.journal.path == Path("results/run/journal-w1.jsonl")
    assert "this worker keeps its own copy of its journal in" in capsys.readouterr().err


def test_a_worker_that_can_keep_no_journal_takes_part_all_the_same(
    worker: Callable[..., Worker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").write_text("in the way")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("results").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "run"))
    one = worker().start()
    one.clock.run(one.master.says, messages.DRAIN, {"at_once": False})
    end = one.lines()[-1]
    assert isinstance(end, EndLine)
    assert (end.lost_lines, end.copy_lost_lines) == (0, len(one.lines()) - 1)
