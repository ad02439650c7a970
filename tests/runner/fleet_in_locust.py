"""The master holds the lines that came against the number each worker says it wrote. Run by test_patches.py."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from chatload.model.journal_lines import EndLine, JournalLine, StartLine, UserLine, encode
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.user_tracker import UserTracker
from chatload.runner.worker_registry import WorkerRegistry
from chatload.store.manifest import Manifest

START = StartLine(at_ns=0, utc_ns=0, worker="w1")
USER = UserLine(at_ns=0, worker="w1", user=0, event="in")
END = EndLine(at_ns=1, worker="w1", reason="drained", lines=3)
LOST = EndLine(at_ns=1, worker="w1", reason="drained", lines=3, copy_lost_lines=2)


class RunFolder:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.caveats: list[str] = []
        self.problem, self.caveat = self.problems.append, self.caveats.append
        self.manifest = Manifest()


def told(lines: list[JournalLine]) -> RunFolder:
    runner: Any = SimpleNamespace(register_message=lambda *_: None, send_message=lambda *_, **__: None)
    registry, folder = (
        WorkerRegistry(runner, lambda: 0.0, lambda _: None, Supervisor(lambda _: None)),
        RunFolder(),
    )
    data = {"run_id": "", "number": 1, "lines": [encode(line) for line in lines]}
    counted: Any = folder
    registry._folder = counted
    registry._on_lines(None, SimpleNamespace(node_id="w1", data=data))
    registry._count("w1", counted)
    return folder


@pytest.mark.parametrize(
    ("lines", "problems", "caveats"),
    [
        ([START, USER, END], [], []),
        (
            [START, USER, LOST],
            [],
            ["could not keep 2 lines of its own copy of its journal; the master has all of them"],
        ),
        ([START, END], ["wrote 3 lines, 2 came: its own journal may hold more"], []),
        ([START, LOST], ["wrote 3 lines, 2 came"], []),
        ([START], ["never sent its last lines: its own journal may hold more than 1"], []),
    ],
)
def test_what_came_and_what_was_written(
    lines: list[JournalLine], problems: list[str], caveats: list[str]
) -> None:
    folder = told(lines)
    for found, expected in ((folder.problems, problems), (folder.caveats, caveats)):
        assert len(found) == len(expected)
        assert all(words in sentence for sentence, words in zip(found, expected, strict=True))


def master(**clients: str) -> tuple[WorkerRegistry, Supervisor, dict[str, Any]]:
    """The registry of w1 and w2 whose run is on, its supervisor, and its listeners by message."""
    listeners: dict[str, Any] = {}
    nodes = [SimpleNamespace(id=name, state=state) for name, state in clients.items()]
    runner: Any = SimpleNamespace(
        register_message=listeners.__setitem__,
        send_message=lambda *_, **__: None,
        clients=SimpleNamespace(all=nodes),
    )
    supervisor = Supervisor(lambda _: None)
    supervisor.begin()
    registry = WorkerRegistry(runner, lambda: 0.0, lambda _: None, supervisor)
    registry.workers, registry._running = {"w1", "w2"}, True
    return registry, supervisor, listeners


@pytest.mark.parametrize(
    ("began", "cut_off_s", "fails"),
    [((), (), True), (("w1",), (), True), (("w1", "w2"), (), False), ((), (3,), False)],
)
def test_a_worker_that_lives_and_says_nothing_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, began: tuple[str, ...], cut_off_s: tuple[int, ...], fails: bool
) -> None:
    """Within 5 s; the time in which it was cut off does not count."""
    registry, supervisor, _ = master(w1="running", w2="running")
    told: Any = RunFolder()
    registry._folder, registry._lines = told, Counter(dict.fromkeys(began, 1))
    for second in range(6):
        state = "missing" if second in cut_off_s else "running"
        for node in registry._runner.clients.all:
            node.state = state
        monkeypatch.setattr("chatload.runner.worker_registry.now_ns", lambda second=second: second * 10**9)
        registry._fail_if_not_begun(registry._alive())
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
    registry, supervisor, listeners = master(w1="running", w2="running")
    registry._running = False
    listeners["chatload_failed"](None, failed("w1", None))
    assert supervisor.cause is None
    registry._running = True
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
    registry, supervisor, _ = master(**states)
    registry._ends = dict.fromkeys(ended, END)
    folder: Any = RunFolder()
    registry._folder = folder
    registry.look_for_lost(UserTracker(), lambda _: None)
    assert (supervisor.cause is not None) == fails
    if supervisor.cause is not None:
        assert supervisor.cause.exit_code == 4
