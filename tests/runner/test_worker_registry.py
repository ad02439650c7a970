"""The master's view of its workers, on a manual clock: what it sends them, what it counts, and whom it misses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chatload.loads.ramp import RampSegment
from chatload.model.hosts import Machine
from chatload.model.journal_lines import EndLine, JournalLine, ServerLine, StartLine, UserLine, decode, encode
from chatload.runner import messages
from chatload.runner.messages import LevelOrder, Start
from chatload.runner.run_folder import RunFolder
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_registry import BEGIN_S, CLOCKS_S, WorkerRegistry
from tests.manual_clock import ManualClock
from tests.plans import planned
from tests.runner.fake_locust import HOST, FakeProcess, FakeWorkers

MS = 1_000_000


class Master:
    """A registry of w1 and w2, whose clocks are 5 s and 7 s behind; answers come within 2 ms."""

    def __init__(self, folder: Path, *, answers: bool = True, **states: str) -> None:
        self.clock = ManualClock()
        self.workers = FakeWorkers(**(states or {"w1": "ready", "w2": "ready"}))
        self.behind_ns = {"w1": 5_000 * MS, "w2": 7_000 * MS}
        if answers:
            self.workers.on_send = self._answer
        self.process = FakeProcess(num_users=4)
        self.supervisor = Supervisor(lambda _: None)
        self.supervisor.begin()
        self.lines: list[JournalLine] = []
        self.said: list[str] = []
        self.registry = WorkerRegistry(
            self.process, self.workers, self.lines.append, self.supervisor, self.clock
        )
        self.planned = planned("chat", {"host": HOST, "num_users": 4, "out": str(folder / "run")})
        self.folder = RunFolder(self.planned, self.said.append, self.clock)
        self.start = Start(run_id="r", folder=str(folder), dialect="openai", model="m", planned=self.planned)
        self.tracker = UserTracker()
        self.numbers: Counter[str] = Counter()

    def begin(self) -> Master:
        self.clock.run(self.registry.begin, self.start, self.folder)
        self.tracker.assigned(["w1", "w2"])
        return self

    def send(self, worker: str, *lines: JournalLine, run_id: str = "r") -> None:
        """A batch of journal lines comes from a worker."""
        self.numbers[worker] += 1
        data = {"run_id": run_id, "number": self.numbers[worker], "lines": [encode(line) for line in lines]}
        self.workers.says(worker, messages.LINES, data)

    def looks(self, seconds: float = 0.1) -> bool:
        """Time goes by; whether the run is over then."""
        self.clock.sleep(seconds)
        return self.registry.is_over(self.tracker)

    def _answer(self, worker: str, kind: str, data: Any) -> None:
        if kind != messages.ASK_CLOCK or worker not in self.behind_ns:
            return
        answered_ns = self.clock.now_ns() + MS - self.behind_ns[worker]
        answer = {**data, "answered_ns": answered_ns, "boot_id": worker}
        self.clock.later(0.002, lambda: self.workers.says(worker, messages.TELL_CLOCK, answer))


@pytest.fixture
def master(tmp_path: Path) -> Master:
    return Master(tmp_path)


def user(worker: str, number: int, event: str, at_ns: int = 0) -> UserLine:
    return UserLine(at_ns=at_ns, worker=worker, user=number, event=event)


def end(worker: str, lines: int, **more: int) -> EndLine:
    return EndLine(at_ns=1, worker=worker, reason="drained", lines=lines, **more)


# -- what the workers are told


def test_each_worker_is_told_of_the_run_and_how_far_its_clock_is_behind(master: Master) -> None:
    master.begin()
    for worker, offset_ns in master.behind_ns.items():
        (told,) = master.workers.sent_to(worker, messages.START)
        start = messages.start_of(told["start"])
        assert (told["run_id"], start.planned, start.clock_offset_ns) == ("r", master.planned, offset_ns)
        assert [reading.offset_ns for reading in master.folder.manifest.workers[worker].clock] == [offset_ns]
    assert master.folder.problems == []


def test_a_worker_that_does_not_tell_its_clock_is_a_problem_and_has_a_part_in_the_run(tmp_path: Path) -> None:
    master = Master(tmp_path, answers=False).begin()
    assert len(master.folder.problems) == 2
    assert "worker w1 did not tell its clock" in master.folder.problems[0]
    assert messages.start_of(master.workers.sent_to("w1", messages.START)[0]["start"]).clock_offset_ns is None


def test_only_workers_that_are_ready_take_part(tmp_path: Path) -> None:
    master = Master(tmp_path, w1="ready", w2="missing").begin()
    assert (master.registry.workers, master.registry.ready) == ({"w1"}, 1)
    assert master.workers.sent_to("w2", messages.START) == []


def test_a_ramp_and_a_level_are_told_in_each_worker_s_own_clock(master: Master) -> None:
    master.begin()
    at_ns = master.clock.now_ns() + 1_000 * MS
    master.registry.ramp(RampSegment(0, at_ns, 2.0), ["w2", "w1"])
    master.registry.order(LevelOrder(users=8, level=1, group="8 users", start_ns=at_ns, end_ns=at_ns + 9))
    for worker, offset_ns in master.behind_ns.items():
        (ramp,) = master.workers.sent_to(worker, messages.RAMP)
        assert (ramp["start_ns"], ramp["users_per_s"], ramp["workers"]) == (
            at_ns - offset_ns,
            2.0,
            ["w2", "w1"],
        )
        level = messages.level_of(master.workers.sent_to(worker, messages.LEVEL)[0])
        assert (level.users, level.start_ns, level.end_ns) == (8, at_ns - offset_ns, at_ns + 9 - offset_ns)


def test_a_worker_whose_clock_is_not_known_is_told_the_lead(tmp_path: Path) -> None:
    master = Master(tmp_path, answers=False).begin()
    master.registry.ramp(RampSegment(0, 5, 2.0), ["w1", "w2"])
    (ramp,) = master.workers.sent_to("w1", messages.RAMP)
    assert (ramp["start_ns"], ramp["lead_s"]) == (None, master.registry.lead_s)


def test_clocks_are_read_again_each_minute(master: Master) -> None:
    master.begin()
    asked = len(master.workers.sent_to("w1", messages.ASK_CLOCK))
    master.send("w1", StartLine(at_ns=0, utc_ns=0, worker="w1"))
    master.send("w2", StartLine(at_ns=0, utc_ns=0, worker="w2"))
    master.looks(CLOCKS_S - 1)
    assert len(master.workers.sent_to("w1", messages.ASK_CLOCK)) == asked
    for _ in range(30):
        master.looks()
    assert len(master.workers.sent_to("w1", messages.ASK_CLOCK)) == 2 * asked


# -- the lines that come


def test_lines_are_kept_acknowledged_and_handed_on_in_the_master_s_clock(
    master: Master, tmp_path: Path
) -> None:
    master.begin()
    master.send("w1", user("w1", 0, "in", at_ns=50))
    assert [line.at_ns for line in master.lines if isinstance(line, UserLine)] == [
        50 + master.behind_ns["w1"]
    ]
    assert master.workers.sent_to("w1", messages.ACK) == [{"run_id": "r", "number": 1}]
    kept = (tmp_path / "run" / "journal-master.jsonl").read_bytes().splitlines()
    assert [decode(line) for line in kept] == [user("w1", 0, "in", at_ns=50)], "kept as it was sent"


def test_a_batch_counts_once_and_one_of_another_run_not_at_all(master: Master) -> None:
    master.begin()
    for number in (1, 1, 2):
        data = {"run_id": "r", "number": number, "lines": [encode(user("w1", number, "in"))]}
        master.workers.says("w1", messages.LINES, data)
    master.send("w2", user("w2", 9, "in"), run_id="before")
    assert [line.user for line in master.lines if isinstance(line, UserLine)] == [1, 2]
    assert len(master.workers.sent_to("w1", messages.ACK)) == 3, "or it would be sent for ever"
    assert len(master.workers.sent_to("w2", messages.ACK)) == 1


def test_the_first_line_of_a_worker_tells_its_host(master: Master) -> None:
    master.begin()
    machine = Machine(cores=3)
    master.send("w1", StartLine(at_ns=0, utc_ns=0, worker="w1", machine=machine, versions={"locust": "2"}))
    facts = master.folder.manifest.workers["w1"]
    assert (facts.machine, facts.versions) == (machine, {"locust": "2"})


# -- who is left


def test_a_run_is_over_when_all_users_of_all_workers_came_and_went(master: Master) -> None:
    master.begin()
    for number in range(4):
        master.tracker.note(user(f"w{number % 2 + 1}", number, "in"))
        assert not master.looks()
    for number in range(4):
        assert not master.looks()
        master.tracker.note(user(f"w{number % 2 + 1}", number, "out"))
    assert master.looks()


def test_users_of_a_lost_worker_are_left_out_until_it_is_back(master: Master) -> None:
    master.begin()
    for number in range(4):
        worker = f"w{number % 2 + 1}"
        master.send(worker, StartLine(at_ns=0, utc_ns=0, worker=worker))
        master.tracker.note(user(worker, number, "in"))
    lost_ns = master.clock.now_ns() + 100 * MS
    master.workers.states["w2"] = "missing"
    assert not master.looks()
    words = "worker w2 was lost with 2 users in: turns it had in flight are not counted"
    assert master.folder.problems == [words]
    assert master.tracker.present == 2
    master.workers.states["w2"] = "running"
    assert not master.looks(2.0)
    assert master.folder.problems == []
    assert master.tracker.present == 4
    (span,) = master.folder.manifest.workers["w2"].out_of_touch
    assert (span.from_ns, span.to_ns) == (lost_ns, lost_ns + 2_000 * MS)
    assert "worker w2 is back" in master.said[-1]


def test_a_run_whose_other_workers_are_lost_is_over_when_the_rest_is_done(master: Master) -> None:
    master.begin()
    master.workers.states["w2"] = "missing"
    for number in (0, 2):
        master.tracker.note(user("w1", number, "in"))
    assert not master.looks()
    for number in (0, 2):
        master.tracker.note(user("w1", number, "out"))
    assert master.looks()


def test_a_worker_that_said_its_end_was_stopped_and_not_lost(master: Master) -> None:
    master.begin()
    master.send("w2", end("w2", 1))
    master.workers.states["w2"] = "missing"
    master.looks()
    assert master.folder.problems == [
        "worker w2 was stopped: the turns its users still had to hold are missing"
    ]


@pytest.mark.parametrize(
    ("began", "cut_off_s", "fails"),
    [((), (), True), (("w1",), (), True), (("w1", "w2"), (), False), ((), (3,), False)],
)
def test_a_worker_that_lives_and_says_nothing_ends_the_run(
    tmp_path: Path, began: tuple[str, ...], cut_off_s: tuple[int, ...], fails: bool
) -> None:
    """Within 5 s; the time in which it was cut off does not count. w3 is always well."""
    master = Master(tmp_path, w1="ready", w2="ready", w3="ready").begin()
    for worker in (*began, "w3"):
        master.send(worker, StartLine(at_ns=0, utc_ns=0, worker=worker))
    for second in range(6):
        state = "missing" if second in cut_off_s else "running"
        master.workers.states = {"w1": state, "w2": state, "w3": "running"}
        master.looks(1.0)
        assert master.supervisor.cause is None or second > BEGIN_S
    assert (master.supervisor.cause is not None) == fails


@pytest.mark.parametrize(
    ("states", "ended", "fails"),
    [
        ({"w1": "running", "w2": "missing"}, (), False),
        ({"w1": "missing", "w2": "missing"}, (), True),
        ({}, (), True),
        ({"w2": "missing"}, ("w1",), True),
        ({}, ("w1", "w2"), False),
    ],
)
def test_a_run_whose_workers_are_all_lost_has_failed(
    master: Master, states: dict[str, str], ended: tuple[str, ...], fails: bool
) -> None:
    """Workers that were stopped told their end."""
    master.begin()
    for worker in ended:
        master.send(worker, end(worker, 1))
    master.workers.states = states
    master.looks()
    assert (master.supervisor.cause is not None) == fails
    if master.supervisor.cause is not None:
        words = "2 of 2 workers were lost, with all their users"
        assert master.supervisor.cause == Cause(words, exit_code=4)


# -- workers that fail, and strangers


def failed(run_id: str | None, **data: Any) -> dict[str, Any]:
    return {"run_id": run_id, "words": "no disk", "exit_code": 2, "where": ["a.py:1 in f"], **data}


def test_a_worker_that_cannot_go_on_ends_the_run_in_its_own_words(master: Master) -> None:
    master.begin()
    master.workers.says("w1", messages.FAILED, failed("another run"))
    master.workers.says("stranger", messages.FAILED, failed("r"))
    assert master.supervisor.cause is None
    master.workers.says("w1", messages.FAILED, failed("r"))
    assert master.supervisor.cause == Cause("worker w1: no disk", 2, ("a.py:1 in f",))


def test_a_worker_that_was_never_told_of_the_run_counts_only_while_one_is_on(master: Master) -> None:
    master.workers.says("w1", messages.FAILED, failed(None))
    assert master.supervisor.cause is None
    master.begin()
    master.workers.says("w1", messages.FAILED, failed(None))
    assert master.supervisor.cause is not None


def test_a_broken_message_of_a_worker_ends_the_run_and_a_stranger_s_does_not(master: Master) -> None:
    master.begin()
    for kind in (messages.LINES, messages.FAILED, messages.DRAINED):
        master.workers.says("stranger", kind, None)
        master.workers.says(["a"], kind, 5)
    assert master.supervisor.cause is None
    master.workers.says("w2", messages.LINES, None)
    assert master.supervisor.cause is not None


# -- the end


@pytest.mark.parametrize(
    ("w1", "problems", "caveats"),
    [
        ([user("w1", 0, "in"), end("w1", 2)], [], []),
        (
            [user("w1", 0, "in"), end("w1", 2, copy_lost_lines=2)],
            [],
            ["could not keep 2 lines of its own copy of its journal; the master has all of them"],
        ),
        ([end("w1", 2)], ["worker w1 wrote 2 lines, 1 came: its own journal may hold more"], []),
        ([end("w1", 2, copy_lost_lines=2)], ["worker w1 wrote 2 lines, 1 came"], []),
        (
            [user("w1", 0, "in")],
            ["worker w1 never sent its last lines: its own journal may hold more than 1"],
            [],
        ),
    ],
)
def test_at_the_end_lines_that_came_are_counted_against_those_that_were_written(
    master: Master, w1: list[JournalLine], problems: list[str], caveats: list[str]
) -> None:
    master.begin()
    master.send("w1", *w1)
    master.send("w2", end("w2", 1))
    for worker in ("w1", "w2"):
        master.clock.later(
            0.5, lambda worker=worker: master.workers.says(worker, messages.DRAINED, {"run_id": "r"})
        )
    master.clock.run(lambda: master.registry.drain(at_once=False))
    assert master.clock.now_s < 1
    assert master.workers.sent_to("w1", messages.DRAIN) == [{"at_once": False}]
    for found, expected in ((master.folder.problems, problems), (master.folder.manifest.caveats, caveats)):
        assert len(found) == len(expected)
        assert all(words in sentence for sentence, words in zip(found, expected, strict=True))


def test_a_worker_that_does_not_say_it_is_done_is_waited_for_as_long_as_its_users_may_take(
    master: Master,
) -> None:
    master.begin()
    master.process.stop_timeout_s = 30.0
    master.send("w1", end("w1", 1))
    master.workers.says("w1", messages.DRAINED, {"run_id": "r"})
    began_s = master.clock.now_s
    master.clock.run(lambda: master.registry.drain(at_once=False))
    assert 39.9 <= master.clock.now_s - began_s < 40.1
    assert master.folder.problems == ["worker w2 did not say it was done: its own journal may hold more"]


def test_a_failed_run_waits_for_two_seconds_and_only_for_those_that_began(master: Master) -> None:
    master.begin()
    master.send("w1", user("w1", 0, "in"))
    began_s = master.clock.now_s
    master.clock.run(lambda: master.registry.drain(at_once=True))
    assert 1.99 <= master.clock.now_s - began_s < 2.1
    assert master.workers.sent_to("w1", messages.DRAIN) == [{"at_once": True}]
    assert master.workers.sent_to("w2", messages.DRAIN) == []
    assert master.folder.problems == ["worker w1 did not say it was done: its own journal may hold more"]


def test_a_late_word_of_an_earlier_run_ends_no_wait(master: Master) -> None:
    master.begin()
    for worker in ("w1", "w2"):
        master.workers.says(worker, messages.DRAINED, {"run_id": "before"})
    began_s = master.clock.now_s
    master.clock.run(lambda: master.registry.drain(at_once=False))
    assert master.clock.now_s - began_s >= 10.0


def test_the_last_line_of_the_server_s_metrics_is_kept(master: Master, tmp_path: Path) -> None:
    """They are read once more when the workers are done, so that their counters hold the whole run."""
    master.begin()
    for worker in ("w1", "w2"):
        master.send(worker, end(worker, 1))
        master.workers.says(worker, messages.DRAINED, {"run_id": "r"})
    master.clock.run(lambda: master.registry.drain(at_once=False))
    master.registry.note(ServerLine(at_ns=5, took_ms=1.0, running=0.0))
    master.registry.close("done")
    last = decode((tmp_path / "run" / "journal-master.jsonl").read_bytes().splitlines()[-1])
    assert isinstance(last, ServerLine)
    assert (last.worker, last.at_ns, master.folder.problems) == ("master", 5, [])


def test_a_journal_that_was_deleted_is_a_problem(master: Master, tmp_path: Path) -> None:
    master.begin()
    (tmp_path / "run" / "journal-master.jsonl").unlink()
    master.registry.close("done")
    assert "journal-master.jsonl: was deleted" in master.folder.problems[0]
