"""The suite itself: it may be started from a script's background, and in any order."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest

ROOT = Path(__file__).parents[1]
CHILD = "import signal; print(signal.getsignal(signal.SIGINT) == signal.default_int_handler)"


def test_processes_that_tests_start_can_be_interrupted() -> None:
    """Also where this suite is a background job, which ignores Ctrl-C and would hand that on."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_an_ignored_interrupt_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        conftest.pytest_configure()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_other_code_left_beside_recorded_runs_is_gone(tmp_path: Path) -> None:
    run = tmp_path / "tiny"
    run.mkdir()
    for name in ("summary.json", "manifest.json"):
        (run / name).write_text("{}", encoding="utf-8")
    conftest.remove_summaries(tmp_path)
    assert [path.name for path in run.iterdir()] == ["manifest.json"]


def test_a_seed_shuffles_files_and_the_tests_in_them(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        tests = "".join(f"def test_{number}(): pass\n" for number in range(6))
        (tmp_path / f"test_{name}.py").write_text(tests, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        Path(conftest.__file__).read_text(encoding="utf-8"), encoding="utf-8"
    )

    def order(seed: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:locust", "-p", "no:xdist", "--collect-only", "-q", "."],
            cwd=tmp_path, env=os.environ | {conftest.SEED: seed}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line for line in done.stdout.splitlines() if "::" in line]

    plain, shuffled = order(""), order("7")
    assert shuffled == order("7") != plain
    assert sorted(shuffled) == sorted(plain)
    files = [line.split("::")[0] for line in shuffled]
    assert sum(one != other for one, other in itertools.pairwise(files)) == 2, "a file stays together"
