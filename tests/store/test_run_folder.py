"""A run folder belongs to exactly one run, and one that cannot be made is told before anything is."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from chatload.model.errors import UsageError
from chatload.store.new_folder import out_mistake, out_mistakes, run_folder

PAIRS = 20
DEFAULT = Path("results/20261129T010203Z-smoke-auto")


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def try_for(out: str, default: Path, numbered: bool = False) -> str:
    try:
        return str(run_folder(out, default, numbered=numbered))
    except UsageError as error:
        return error.lines[0]


def race(barrier: Any, outs: list[tuple[str, Path]], answers: Any) -> None:
    """One of two processes: it and the other ask for the same folders at the same instants."""
    got = []
    for out, default in outs:
        barrier.wait(timeout=30)
        got.append(try_for(out, default))
    answers.put(got)


def two_processes(outs: list[tuple[str, Path]]) -> list[tuple[str, str]]:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=race, args=(barrier, outs, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    both = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=30)
    return list(zip(*both, strict=True))


@pytest.mark.e2e
def test_pairs_of_processes_with_the_default_name_get_a_folder_each() -> None:
    wanted = [("", Path(f"results/second-{number:02}")) for number in range(PAIRS)]
    for pair, (_, default) in zip(two_processes(wanted), wanted, strict=True):
        assert sorted(pair) == [str(default), f"{default}-2"]


@pytest.mark.e2e
def test_of_pairs_of_processes_with_the_same_out_one_is_refused() -> None:
    wanted = [(f"mine/{number:02}", DEFAULT) for number in range(PAIRS)]
    for pair, (out, _) in zip(two_processes(wanted), wanted, strict=True):
        refused = f"--out {out!r}: already holds a run: name a new folder, or move that run"
        assert sorted(pair) == sorted([out, refused])


@pytest.mark.parametrize("made_before", [False, True])
def test_of_many_threads_one_gets_the_folder(made_before: bool) -> None:
    if made_before:
        Path("volume").mkdir()
    barrier = Barrier(16)

    def ask(_: int) -> str:
        barrier.wait(timeout=30)
        return try_for("volume", DEFAULT)

    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(ask, range(16)))
    assert got.count("volume") == 1
    assert sum("already holds a run" in one for one in got) == 15


def test_the_page_s_runs_are_numbered() -> None:
    assert [try_for("run", DEFAULT, numbered=True) for _ in range(3)] == ["run", "run-2", "run-3"]
    assert try_for(".", DEFAULT, numbered=True) == str(Path.cwd())
    assert Path(try_for(".", DEFAULT, numbered=True)).name == f"{Path.cwd().name}-2"


@pytest.mark.parametrize(
    "left", ["manifest.json", "summary.json", "journal-local.jsonl", "journal-w-7.jsonl"]
)
def test_whatever_a_run_left_makes_the_folder_its_own(left: str) -> None:
    Path("old").mkdir()
    Path("old", left).touch()
    for mistake in (out_mistake("old"), try_for("old", DEFAULT)):
        assert mistake == "--out 'old': already holds a run: name a new folder, or move that run"
    assert list(Path("old").iterdir()) == [Path("old", left)]
    assert try_for("old", DEFAULT, numbered=True) == "old-2"
    assert try_for("", Path("old")) == "old-3"


BAD = {
    "file": "file is a file",
    "file/run": "file is a file",
    "file/below/run": "file is a file",
    "/dev/null": "/dev/null is a file",
    "dangling": "dangling is a broken link",
    "dangling/run": "dangling is a broken link",
    "loop/run": "cannot be made",
    "n" * 300: "File name too long",
    "not/yet/" + "n" * 300: "longer than 255 bytes",
    "n/" * 3000: "File name too long",
    "nul\0": "holds a NUL character",
    "two\nlines": "holds characters that cannot be printed",
    "\x1b[2J": "holds characters that cannot be printed",
    "bytes\udcff": "holds characters that cannot be printed",
    "~": "write the whole path",
    "~/results": "write the whole path",
    "~somebody/results": "write the whole path",
    "   ": "is blank",
}


@pytest.mark.parametrize("out", BAD)
def test_what_cannot_be_a_folder_is_one_line_naming_it(out: str) -> None:
    Path("file").touch()
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    before = sorted(Path().iterdir())
    for words in (out_mistake(out), try_for(out, DEFAULT), try_for(out, DEFAULT, numbered=True)):
        assert words is not None
        assert BAD[out] in words
        assert words.startswith("--out '")
        assert "\n" not in words
        assert len(words) < 300
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("out", ["/proc/run", "/sys/run"])
def test_a_file_system_that_takes_no_folder_is_told(out: str) -> None:
    assert "cannot be made" in try_for(out, DEFAULT)


def test_a_folder_without_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every folder can be written: what the system says is stood in for."""
    with monkeypatch.context() as without:
        without.setattr(os, "access", lambda *_: False)
        words = out_mistake("here/run")
    assert words == (
        "--out 'here/run': cannot be made (. cannot be written): name a folder that can be written"
    )

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)
    assert "cannot be made (Permission denied)" in try_for("here/run", DEFAULT)
    assert try_for("", DEFAULT) == (
        f"{DEFAULT}: cannot be made (Permission denied): name a folder that can be written with --out"
    )


@pytest.mark.parametrize(
    "argv", [["--out", ""], ["--out="], ["--out", " "], ["-u", "2", "--out", "", "--headless"]]
)
def test_an_empty_out_on_the_command_line_is_a_mistake(argv: list[str]) -> None:
    assert out_mistakes("", argv) == ["--out '': is empty: name a folder, or leave out --out"]


@pytest.mark.parametrize("argv", [[], ["--out", "x"], ["--host", ""], ["--outer", ""]])
def test_no_out_at_all_is_none(argv: list[str]) -> None:
    assert out_mistakes("", argv) == []
