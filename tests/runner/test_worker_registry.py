"""The master's view of its workers, on a manual clock: what it sends them, what it counts, and whom it misses."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from chatload.loads.ramp import RampSegment
from chatload.model.hosts import Machine
from chatload.model.journal_lines import JournalLine, ServerLine, StartLine, UserLine, decode, encode
from chatload.runner import messages
from chatload.runner.messages import LevelOrder
from chatload.runner.worker_registry import BEGUN_S, CLOCKS_S
from tests.runner.master_of_two import MS, Master, end, user


@pytest.fixture
def master(tmp_path: Path) -> Master:
    return Master(tmp_path)


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


@pytest.mark.parametrize(
    ("said", "lost", "until_s", "lead_s"),
    [("w1 w2", "", 0.1, 0.3), ("w1", "w2", 0.3, 0.9), ("w1", "", BEGUN_S, 1.0), ("w1 w2", "", 0.01, 0.2)],
)
def test_the_first_users_wait_until_all_workers_that_live_have_begun(
    master: Master, said: str, lost: str, until_s: float, lead_s: float
) -> None:
    def tell() -> None:
        for worker in said.split():
            master.send(worker, StartLine(at_ns=0, utc_ns=0, worker=worker))
        for worker in lost.split():
            master.workers.states[worker] = "missing"

    master.registry.read_clocks = lambda: None  # type: ignore[method-assign]
    master.clock.later(min(until_s, 0.3), tell)
    master.begin()
    assert until_s <= master.clock.now_s < until_s + 0.06
    assert lead_s - 0.01 < master.registry.lead_s < lead_s + 0.1, "three times as long as the slowest took"


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
        assert ramp["before"] == {"w2": 0, "w1": 2}[worker], "four users, two a worker"
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


# -- the end


@pytest.mark.parametrize(
    ("w1", "problems", "warnings"),
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
    master: Master, w1: list[JournalLine], problems: list[str], warnings: list[str]
) -> None:
    master.begin()
    master.send("w1", *w1)
    master.send("w2", end("w2", 1))
    for worker in ("w1", "w2"):
        master.clock.later(
            0.5, lambda worker=worker: master.workers.says(worker, messages.DRAINED, {"run_id": "r"})
        )
    before_s = master.clock.now_s
    master.clock.run(lambda: master.registry.drain(at_once=False))
    assert master.clock.now_s - before_s < 1
    assert master.workers.sent_to("w1", messages.DRAIN) == [{"at_once": False}]
    for found, expected in ((master.folder.problems, problems), (master.folder.manifest.warnings, warnings)):
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


def test_a_worker_that_is_lost_meanwhile_is_not_waited_for(master: Master) -> None:
    master.begin()
    master.send("w1", end("w1", 1))
    master.workers.says("w1", messages.DRAINED, {"run_id": "r"})
    master.clock.later(2.0, lambda: master.workers.states.update(w2="missing"))
    began_s = master.clock.now_s
    master.clock.run(lambda: master.registry.drain(at_once=False))
    assert 2.0 <= master.clock.now_s - began_s < 2.1
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


def test_a_run_that_is_stopped_while_clocks_are_read_is_told_to_nobody(tmp_path: Path) -> None:
    master = Master(tmp_path, answers=False)
    master.clock.later(0.1, lambda: gevent.spawn(master.registry.drain, at_once=False))
    master.begin()
    assert master.workers.sent_to("w1", messages.START) == []
    assert master.supervisor.cause is None
