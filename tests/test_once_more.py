"""An e2e test that failed among others counts as passed only if it passes alone, and is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.once_more import MOST, OnceMore, first_line, passed_alone
from tests.test_side_by_side import outcomes, told

CONFTEST = 'pytest_plugins = ["tests.side_by_side"]\n'
BUSY = """
import os, pathlib, pytest

def first_time(name):
    path = pathlib.Path(name)
    if first := not path.exists():
        path.touch()
    return first

@pytest.fixture
def server():
    assert not first_time("server"), "no server"

@pytest.mark.e2e
def test_slow_at_first():
    assert not first_time("slow"), "too slow"

@pytest.mark.e2e
def test_server_slow_at_first(server): ...

@pytest.mark.e2e
def test_wrong_always():
    assert False, "wrong"

@pytest.mark.e2e
def test_good():
    assert first_time("good"), "only once"

def test_no_process():
    assert not first_time("quick"), "a test without processes has no excuse"
"""
ENDS = """
import os, pathlib, pytest

@pytest.mark.e2e
def test_ends_alone_too():
    path = pathlib.Path("ends")
    if path.exists():
        os._exit(9)
    path.touch()
    assert False
"""


def report(nodeid: str, when: str, outcome: str = "passed", words: str = "") -> pytest.TestReport:
    return pytest.TestReport(nodeid, ("a.py", 1, nodeid), {}, outcome, words or None, when)  # type: ignore[arg-type]


def ended(once_more: OnceMore, nodeid: str, outcome: str, words: str = "") -> list[str]:
    """The reports that are told of a test, in the order of its phases."""
    reports = [report(nodeid, "setup"), report(nodeid, "call", outcome, words), report(nodeid, "teardown")]
    return [one.when or "" for each in reports for one in once_more.take(each)]


def test_reports_of_failed_e2e_tests_are_held() -> None:
    once_more = OnceMore({"e", "f"})
    phases = ["setup", "call", "teardown"]
    assert ended(once_more, "quick", "failed", "wrong") == phases
    assert ended(once_more, "e", "passed") == phases
    assert ended(once_more, "f", "failed", "a\n\nslow\n") == []
    assert once_more.failures() == {"f": "slow"}
    assert [one.nodeid for one in once_more.held()] == ["f"] * 3
    assert passed_alone(once_more.failures(), {"f"}) == []
    assert passed_alone(once_more.failures(), set()) == ["passed alone: f (before: slow)"]


def test_a_test_that_did_not_end_is_told_as_far_as_it_came() -> None:
    once_more = OnceMore({"e"})
    assert once_more.take(report("e", "setup")) == []
    assert [one.when for one in once_more.unended()] == ["setup"]
    assert once_more.unended() == once_more.held() == []


def test_too_many_failures_are_not_the_machine_s() -> None:
    names = [str(number) for number in range(MOST + 1)]
    once_more = OnceMore(names)
    for name in names[1:]:
        ended(once_more, name, "failed")
    assert len(once_more.failures()) == MOST
    ended(once_more, names[0], "failed")
    assert once_more.failures() == {}
    assert len(once_more.held()) == 3 * (MOST + 1)


def test_a_failure_without_words_is_told_as_such() -> None:
    assert first_line(report("e", "call", "failed")) == "without words"


@pytest.mark.e2e
def test_what_fails_alone_too_fails_the_run(tmp_path: Path) -> None:
    for name, words in {"conftest": CONFTEST, "test_busy": BUSY, "test_ends": ENDS}.items():
        (tmp_path / f"{name}.py").write_text(words, encoding="utf-8")
    code, text = told(tmp_path, "--processes", "2")
    assert code == 1
    found = sorted(line.split(" - ")[0] for line in outcomes(text))
    assert found == [
        "FAILED test_busy.py::test_no_process",
        "FAILED test_busy.py::test_wrong_always",
        "FAILED test_ends.py::test_ends_alone_too",
        "PASSED test_busy.py::test_good",
        "PASSED test_busy.py::test_server_slow_at_first",
        "PASSED test_busy.py::test_slow_at_first",
    ]
    lines = re.findall(r"^passed alone: (\S+) \(before: .*\.py:\d+: (.*)\)$", text, re.MULTILINE)
    assert dict(lines) == {
        "test_busy.py::test_slow_at_first": "AssertionError: too slow",
        "test_busy.py::test_server_slow_at_first": "AssertionError: no server",
    }
    (tmp_path / "test_ends.py").unlink()
    for name in ("slow", "server"):
        (tmp_path / name).unlink()
    code, text = told(tmp_path, "--processes", "2", "-k", "slow_at_first")
    assert (code, len(outcomes(text)), text.count("passed alone: ")) == (0, 2, 2)
