"""Which workers a master misses, and what of theirs ends a run; on a manual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatload.model.journal_lines import StartLine
from chatload.runner import messages
from chatload.runner.supervisor import Cause
from chatload.runner.worker_registry import BEGIN_S
from tests.runner.master_of_two import MS, Master, end, user


@pytest.fixture
def master(tmp_path: Path) -> Master:
    return Master(tmp_path)


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


def test_a_run_that_begins_without_a_worker_has_failed(tmp_path: Path) -> None:
    master = Master(tmp_path, w1="missing", w2="missing").begin()
    master.looks()
    assert master.supervisor.cause == Cause("no worker was left when the run began", exit_code=4)


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
