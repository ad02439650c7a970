"""The suite itself: it may be started from a script's background, and in any order."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.long import NOT_FAST, ONLY_LONG, is_slow
from tests.side_by_side import in_groups

ROOT = Path(__file__).parents[1]
CHILD = "import signal; print(signal.getsignal(signal.SIGINT) == signal.default_int_handler)"


@pytest.mark.e2e
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


class Item:
    """What `conftest` asks of a test."""

    def __init__(self, file: str, number: int, marker: str = "") -> None:
        self.path = Path(file)
        self.marker = marker

    def get_closest_marker(self, name: str) -> bool:
        return name in self.marker.split()


def ordered(items: list[Item]) -> list[Item]:
    found: Any = list(items)
    return list(conftest.in_order(found))


def test_whole_runs_of_some_files_are_left_to_make_test_long() -> None:
    fuzz, other = (Path(conftest.__file__).parent / one for one in ("lab/test_fuzz.py", "lab/test_docs.py"))
    found: Any = [Item(str(fuzz), 0, "e2e"), Item(str(fuzz), 1), Item(str(other), 0, "e2e")]
    assert conftest.only_long(found) == found[:1]
    marked: Any = [Item(str(other), 0, "e2e rare"), Item(str(other), 1, "e2e"), Item(str(other), 2, "rare")]
    assert conftest.only_long(marked) == marked[:1]
    assert all((Path(conftest.__file__).parent / one).is_file() for one in ONLY_LONG)


def test_a_test_that_starts_a_process_unmarked_fails() -> None:
    with pytest.raises(AssertionError, match="a test that starts a process is marked e2e"):
        subprocess.run([sys.executable, "-c", ""], check=True)


def test_slow_files_are_not_even_imported_by_make_test_fast() -> None:
    tests = Path(conftest.__file__).parent
    assert all((tests / one).exists() for one in NOT_FAST)
    slow, other = tests / "plots" / "test_plots.py", tests / "cli" / "test_check.py"
    assert (is_slow(slow), is_slow(other)) == (True, False)

    def ignored(path: Path, marks: str) -> bool | None:
        told: Any = SimpleNamespace(option=SimpleNamespace(markexpr=marks))
        return conftest.pytest_ignore_collect(path, told)

    assert [ignored(path, "not e2e and not slow") for path in (slow, other)] == [True, None]
    assert ignored(slow, "not e2e") is None


def test_a_seed_shuffles_files_and_the_tests_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [Item(f"test_{name}.py", number) for name in "abc" for number in range(6)]
    monkeypatch.setenv(conftest.SEED, "7")
    shuffled = ordered(plain)
    assert shuffled == ordered(plain) != plain
    assert sorted(shuffled, key=plain.index) == plain
    files = [item.path for item in shuffled]
    assert sum(one != other for one, other in itertools.pairwise(files)) == 2, "a file stays together"


def test_tests_that_share_something_are_run_by_one_process() -> None:
    def item(file: str, shared: str = "") -> Any:
        mark = SimpleNamespace(args=(shared,)) if shared else None
        return SimpleNamespace(path=Path(file), get_closest_marker=lambda name: mark)

    a, b, c, d, e = item("a"), item("a", "x"), item("b"), item("b", "x"), item("a")
    assert in_groups([a, b, c, d, e]) == [[a, e], [b, d], [c]]


def test_files_of_whole_runs_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(conftest.SEED, raising=False)
    a, b, c = [[Item(f"test_{name}.py", number) for number in range(3)] for name in "abc"]
    b[1].marker = "e2e"
    assert ordered([*a, *b, *c]) == [*b, *a, *c]
