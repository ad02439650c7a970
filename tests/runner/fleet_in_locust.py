"""The master holds the lines that came against the number each worker says it wrote. Run by test_patches.py."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_registry import WorkerRegistry

END = {"kind": "end", "at_ns": 1, "worker": "w1", "reason": "drained", "lines": 3, "copy_lost_lines": 0}


class RunFolder:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.caveats: list[str] = []
        self.problem, self.caveat = self.problems.append, self.caveats.append


def told(lines: list[dict[str, Any]]) -> RunFolder:
    runner: Any = SimpleNamespace(register_message=lambda *_: None, send_message=lambda *_, **__: None)
    fleet, books = (
        WorkerRegistry(runner, lambda: 0.0, lambda _: None, Supervisor(lambda _: None)),
        RunFolder(),
    )
    data = {"run_id": "", "number": 1, "lines": [orjson.dumps(line) for line in lines]}
    fleet._on_lines(None, SimpleNamespace(node_id="w1", data=data))
    counted: Any = books
    fleet._count("w1", counted)
    return books


@pytest.mark.parametrize(
    ("lines", "problems", "caveats"),
    [
        ([{"kind": "start"}, {"kind": "user"}, END], [], []),
        (
            [{"kind": "start"}, {"kind": "user"}, {**END, "copy_lost_lines": 2}],
            [],
            ["could not keep 2 lines of its own copy of its journal; the master has all of them"],
        ),
        ([{"kind": "start"}, END], ["wrote 3 lines, 2 came: its own journal may hold more"], []),
        ([{"kind": "start"}, {**END, "copy_lost_lines": 2}], ["wrote 3 lines, 2 came"], []),
        ([{"kind": "start"}], ["never sent its last lines: its own journal may hold more than 1"], []),
    ],
)
def test_what_came_and_what_was_written(
    lines: list[dict[str, Any]], problems: list[str], caveats: list[str]
) -> None:
    books = told(lines)
    for found, expected in ((books.problems, problems), (books.caveats, caveats)):
        assert len(found) == len(expected)
        assert all(words in sentence for sentence, words in zip(found, expected, strict=True))


def master(**clients: str) -> tuple[WorkerRegistry, Supervisor, dict[str, Any]]:
    """A fleet of w1 and w2 whose run is on, its supervisor, and its listeners by message."""
    listeners: dict[str, Any] = {}
    nodes = [SimpleNamespace(id=name, state=state) for name, state in clients.items()]
    runner: Any = SimpleNamespace(
        register_message=listeners.__setitem__,
        send_message=lambda *_, **__: None,
        clients=SimpleNamespace(all=nodes),
    )
    supervisor = Supervisor(lambda _: None)
    supervisor.begin()
    fleet = WorkerRegistry(runner, lambda: 0.0, lambda _: None, supervisor)
    fleet.workers, fleet._running = {"w1", "w2"}, True
    return fleet, supervisor, listeners


@pytest.mark.parametrize(
    ("began", "cut_off_s", "fails"),
    [((), (), True), (("w1",), (), True), (("w1", "w2"), (), False), ((), (3,), False)],
)
def test_a_worker_that_lives_and_says_nothing_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, began: tuple[str, ...], cut_off_s: tuple[int, ...], fails: bool
) -> None:
    """Within 5 s; the time in which it was cut off does not count."""
    fleet, supervisor, _ = master(w1="running", w2="running")
    told: Any = RunFolder()
    fleet._books, fleet._lines = told, Counter(dict.fromkeys(began, 1))
    for second in range(6):
        state = "missing" if second in cut_off_s else "running"
        for node in fleet._runner.clients.all:
            node.state = state
        monkeypatch.setattr("chatload.runner.worker_registry.now_ns", lambda second=second: second * 10**9)
        fleet._fail_if_not_begun(fleet._alive())
        assert supervisor.cause is None or second == 5
    assert (supervisor.cause is not None) == fails


def failed(worker: str, run_id: str | None, **data: Any) -> SimpleNamespace:
    told = {"run_id": run_id, "words": "no disk", "exit_code": 2, "where": ["a.py:1 in f"], **data}
    return SimpleNamespace(node_id=worker, data=told)


def test_a_worker_that_cannot_go_on_ends_the_run_in_its_own_words() -> None:
    _, supervisor, listeners = master(w1="running", w2="running")
    listeners["chatload_failed"](None, failed("w1", "another run"))
    listeners["chatload_failed"](None, failed("stranger", ""))
    assert supervisor.cause is None
    listeners["chatload_failed"](None, failed("w1", ""))
    assert supervisor.cause == Cause("worker w1: no disk", 2, ("a.py:1 in f",))


def test_a_worker_that_was_never_told_of_the_run_counts_only_while_one_is_on() -> None:
    fleet, supervisor, listeners = master(w1="running", w2="running")
    fleet._running = False
    listeners["chatload_failed"](None, failed("w1", None))
    assert supervisor.cause is None
    fleet._running = True
    listeners["chatload_failed"](None, failed("w1", None))
    assert supervisor.cause is not None


def test_a_broken_message_of_a_worker_ends_the_run_and_a_stranger_s_does_not() -> None:
    _, supervisor, listeners = master(w1="running", w2="running")
    for kind in ("chatload_lines", "chatload_failed", "chatload_drained"):
        listeners[kind](None, SimpleNamespace(node_id="stranger", data=None))
        listeners[kind](None, SimpleNamespace(node_id=["a"], data=5))
    assert supervisor.cause is None
    listeners["chatload_lines"](None, SimpleNamespace(node_id="w2", data=None))
    assert supervisor.cause is not None


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
    states: dict[str, str], ended: tuple[str, ...], fails: bool
) -> None:
    """Workers that were stopped told their end."""
    fleet, supervisor, _ = master(**states)
    fleet._ends = dict.fromkeys(ended, END)
    books: Any = RunFolder()
    fleet._books = books
    fleet.look_for_lost(UserTracker(), lambda _: None)
    assert (supervisor.cause is not None) == fails
    if supervisor.cause is not None:
        assert supervisor.cause.exit_code == 4
