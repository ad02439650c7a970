"""Tests in several processes are told as those of one are, and a process that ends early loses nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFTEST = """
import os, pytest
pytest_plugins = ["tests.side_by_side"]

@pytest.fixture(scope="module")
def place(tmp_path_factory):
    yield tmp_path_factory.mktemp("place")
    print("torn down", os.getpid())
"""
GOOD = """
import os, warnings, pytest
pids = set()

@pytest.mark.parametrize("number", range(3))
def test_good(number, place, tmp_path):
    pids.add(os.getpid())
    assert len(pids) == 1, "a file is run by one process"
    (place / str(number)).touch()
    assert len(list(place.iterdir())) == number + 1

def test_skipped():
    pytest.skip("not here")

def test_warns():
    warnings.warn("beware", UserWarning)
"""
BAD = """
import pytest
@pytest.fixture
def broken():
    raise ValueError("no fixture")

def test_fails():
    print("printed before")
    assert [1] == [2]

def test_error(broken): ...

@pytest.mark.xfail
def test_xfail():
    assert False
"""
ENDS = """
import os
def test_before(): ...
def test_ends(): os._exit(9)
def test_after(): ...
"""
INTERRUPTED = """
import os, pytest, signal

@pytest.mark.parametrize("number", range(200))
def test_interrupts(number):
    print("x" * 10_000)
    if number < 1:
        os.kill(os.getppid(), signal.SIGINT)
    assert False
"""


def told(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of pytest."""
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def outcomes(text: str) -> list[str]:
    return sorted(re.findall(r"^(?:PASSED|FAILED|ERROR|XFAIL|SKIPPED)\b.*", text, re.MULTILINE))


@pytest.mark.e2e
def test_all_is_told_as_by_one_process(tmp_path: Path) -> None:
    for name, words in {"conftest": CONFTEST, "test_a": GOOD, "test_b": BAD, "test_c": GOOD}.items():
        (tmp_path / f"{name}.py").write_text(words, encoding="utf-8")
    code, text = told(tmp_path)
    assert len(outcomes(text)) == 13
    code_of_3, text_of_3 = told(tmp_path, "--processes", "3")
    assert (code_of_3, outcomes(text_of_3)) == (code, outcomes(text))
    for words in ("printed before", "assert [1] == [2]", "no fixture", "UserWarning: beware", "torn down"):
        assert text_of_3.count(words) == text.count(words) > 0


@pytest.mark.e2e
def test_a_process_that_ends_fails_its_tests_and_no_others(tmp_path: Path) -> None:
    for name, words in {"conftest": CONFTEST, "test_a": ENDS, "test_b": GOOD, "test_c": GOOD}.items():
        (tmp_path / f"{name}.py").write_text(words, encoding="utf-8")
    code, text = told(tmp_path, "--processes", "2")
    assert code == 1
    found = [line for line in outcomes(text) if not line.startswith(("PASSED", "SKIPPED"))]
    assert [line.split()[1] for line in found[:2]] == ["test_a.py::test_after", "test_a.py::test_ends"]
    assert "the process of this test ended before the test did" in text
    assert len(outcomes(text)) == 13


@pytest.mark.e2e
def test_it_stops_at_the_first_failure_where_asked(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text(BAD, encoding="utf-8")
    code, text = told(tmp_path, "-x", "--processes", "2")
    assert code == 1
    assert re.search(r"stopping after [12] failures", text)  # the other process may be at its first one, too
    assert "test_xfail" not in text


@pytest.mark.e2e
@pytest.mark.parametrize("other", [INTERRUPTED, INTERRUPTED.replace("< 1", "< 0")], ids=["two", "one"])
def test_an_interrupt_ends_all_processes(other: str, tmp_path: Path) -> None:
    """Also those whose reports nobody reads any more, and more of them than a pipe holds."""
    for name, words in {"conftest": CONFTEST, "test_a": INTERRUPTED, "test_b": other}.items():
        (tmp_path / f"{name}.py").write_text(words, encoding="utf-8")
    code, text = told(tmp_path, "--processes", "2")
    assert code == 2
    assert "KeyboardInterrupt" in text
