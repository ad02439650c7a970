"""What one machine may hold: each limit is told with the option that asks for too much, and the remedy."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from chatload.loads.plan import Plan
from chatload.runner import open_files as limits
from chatload.runner.open_files import limit_mistakes, make_room
from tests.plans import plan_of

VALUES = {"host": "http://127.0.0.1:1", "slo": "failed_share <= 1%", "server": "auto"}


def planned(kind: str, **values: Any) -> Plan:
    return plan_of(kind, {**VALUES, **values})


def open_files(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (min(1024, hard), hard))


@pytest.mark.parametrize(
    ("plan", "connections"),
    [
        (planned("chat", num_users=70), 70),
        (planned("open_loop", requests="80", interval="0"), 80),
        (planned("open_loop", requests="80", interval="0.1"), 1),
        (planned("sweep", levels="1,90,2"), 90),
        (planned("capacity", most="1000"), 1000),
    ],
)
def test_how_many_connections_there_surely_are_at_one_time(plan: Plan, connections: int) -> None:
    assert plan.load.least_connections == connections


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (
            planned("chat", num_users=100),
            "--users 100: 100 users need 164 open files in one process, the limit "
            "is 163: raise it (ulimit -Hn), ask for fewer, or spread them with --processes 2",
        ),
        (
            planned("open_loop", requests="100", interval="0"),
            "--requests 100: 100 requests at once need 164 open",
        ),
        (planned("sweep", levels="1,100"), "--levels 100: 100 requests at once need 164 open files"),
        (planned("capacity", most="100"), "--most 100: 100 users need 164 open files"),
    ],
)
def test_connections_beyond_the_open_file_limit(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, line: str
) -> None:
    open_files(monkeypatch, 163)
    (told,) = limit_mistakes(plan, 1, here=False)
    assert told.startswith(line)
    assert ("--processes" in told) == (plan.load.__class__.__name__ != "SweepLoad")
    open_files(monkeypatch, 164)
    assert limit_mistakes(plan, 1, here=False) == []


def test_processes_share_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    open_files(monkeypatch, 114)
    plan = planned("chat", num_users=100)
    assert limit_mistakes(plan, 2, here=False) == []
    assert len(limit_mistakes(plan, 1, here=False)) == 1
    open_files(monkeypatch, 64)
    assert limit_mistakes(plan, 1, here=False)[0].endswith("ask for fewer"), "a process itself needs as many"


def test_no_limit_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert limit_mistakes(planned("chat", num_users=100_000), 1, here=False) == []


def test_users_beyond_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    open_files(monkeypatch, 10**7)
    monkeypatch.setattr(limits, "free_memory_kb", lambda: 1_000_000)
    plan = planned("chat", num_users=10_000)
    (told,) = limit_mistakes(plan, 1, here=True)
    assert told.startswith(
        "--users 10000: 10,000 users need about 1.1 GB of memory, 1.0 GB are free here: ask for fewer"
    )
    assert limit_mistakes(plan, 1, here=False) == [], "the workers' machines are others"
    assert limit_mistakes(planned("chat", num_users=9_000), 1, here=True) == []


def test_the_free_memory_is_a_number_here() -> None:
    free_kb = limits.free_memory_kb()
    assert free_kb is None or 10_000 < free_kb < 10**12


@pytest.mark.parametrize(
    ("kind", "words"),
    [("capacity", "a capacity search"), ("open_loop", "an open loop")],
)
def test_one_locust_user_a_process_where_it_is_no_chat_user(kind: str, words: str) -> None:
    """More would change nothing, and of a capacity search no level would ever end."""
    assert limit_mistakes(planned(kind), 1, here=False) == []
    assert limit_mistakes(planned(kind, num_users=4), 4, here=False) == []
    (told,) = limit_mistakes(planned(kind, num_users=2), 1, here=False)
    assert told.startswith(
        f"--users 2: has no effect in {words}, which has one Locust user a process, here 1: "
    )


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the size of the table")
def test_the_table_of_open_files_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not doubled during the run: a process of several threads stands still in that time."""
    size = table_size()
    make_room(2 * size)
    assert table_size() > 2 * size
    assert max(int(one.name) for one in Path("/proc/self/fd").iterdir()) < size
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    make_room(10**7)
    assert table_size() < 2 * soft + 64
    monkeypatch.setattr(os, "devnull", "/there/is/none")
    make_room(10)  # no file can be opened: nothing is raised


def table_size() -> int:
    found = re.search(r"FDSize:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1])
