"""The exit code of whole runs: 0 only where the whole plan was held and kept, or ended as stated."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FAILED, GOOD, ROOT, locust, turns_of, two_processes
from test_bad_days import wait_for_turns

pytestmark = pytest.mark.e2e

SMALL = ("--think-time", "0.05", "-r", "20", "--max-tokens", "64")


class Going:
    """A headless run that goes on while the test does something to it."""

    def __init__(self, host: str, out: Path, *arguments: str, turns: int = 100) -> None:
        self.out = out
        self.journal = out / "journal-local.jsonl"
        command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary",
                   "--host", host, "--turns", str(turns), "-u", "2", *SMALL, "--out", str(out), *arguments]  # fmt: skip
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def ended(self) -> tuple[int, str]:
        text, _ = self.process.communicate(timeout=60)
        return self.process.returncode, text


@pytest.mark.parametrize(("stop", "processes"), [(signal.SIGTERM, 2), (signal.SIGINT, 1)])
def test_stopped_early_is_not_green(stop: int, processes: int, vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    run = Going(host, tmp_path / "run", *two_processes()[: 6 * (processes - 1)])
    journal = run.journal if processes == 1 else run.journal.with_name("journal-master.jsonl")
    wait_for_turns(journal, 1)
    run.process.send_signal(stop)
    code, text = run.ended()
    assert code == 4, text
    assert "Traceback" not in text
    (incomplete,) = json.loads((run.out / "summary.json").read_text())["incomplete"]
    assert "It was stopped before its plan was done:" in incomplete
    assert f"exit code 4: {incomplete}" in text or "NOT TRUSTWORTHY" in text, "a busy machine is said first"
    assert json.loads((run.out / "manifest.json").read_text())["exit_code"] == 4


def test_stopped_before_the_first_turn_is_not_green(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm("--fault", "never:1")
    run = Going(host, tmp_path / "run")
    wait_for_line(run.journal, b'"event":"in"')
    run.process.send_signal(signal.SIGTERM)
    code, text = run.ended()
    assert code == 4, text
    assert "0 of 200 planned turns held" in text


def test_run_time_is_a_stated_end(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    code, text = Going(host, tmp_path / "run", "--run-time", "4s", turns=100_000).ended()
    held = len(turns_of(tmp_path / "run"))
    assert code in (GOOD if held else FAILED), (
        text
    )  # a busy machine may need 4 s to ask the server what it is
    assert held < 200_000
    assert "its plan was done" not in text


def test_run_time_over_before_a_turn_is_not_green(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm("--fault", "never:1")
    code, text = Going(host, tmp_path / "run", "--run-time", "4s").ended()
    assert code in FAILED, text  # 1: on a busy machine the time is over while the server is asked what it is
    assert code == 1 or "No turn was held" in text or "NOT TRUSTWORTHY" in text


def delete(journal: Path) -> None:
    journal.unlink()


def truncate(journal: Path) -> None:
    os.truncate(journal, journal.stat().st_size // 2)


def empty(journal: Path) -> None:
    os.truncate(journal, 0)


def replace(journal: Path) -> None:
    other = journal.with_name("other")
    other.write_bytes(journal.read_bytes())
    other.replace(journal)


def drop_lines(journal: Path) -> None:
    """Lines lost in the middle, the file longer than it was."""
    lines = journal.read_bytes().splitlines(keepends=True)
    padding = b'{"kind":"note","text":"' + b"x" * 5000 + b'"}\n'
    other = journal.with_name("other")
    other.write_bytes(lines[0] + padding * 40)
    other.replace(journal)


def delete_all(journal: Path) -> None:
    for path in journal.parent.iterdir():
        path.unlink()
    journal.parent.rmdir()


RARE = [pytest.param(harm, marks=pytest.mark.rare) for harm in (delete, empty, replace)]


@pytest.mark.parametrize("harm", [truncate, drop_lines, delete_all, *RARE])
def test_a_journal_that_lost_lines_is_not_green(
    harm: Callable[[Path], None], vllm: Any, tmp_path: Path
) -> None:
    host, _, _ = vllm()
    run = Going(host, tmp_path / "run", turns=20)
    wait_for_turns(run.journal, 6)
    harm(run.journal)
    code, text = run.ended()
    assert code == 4, text
    assert "journal-local.jsonl" in text or "are lost" in text
    assert "Traceback" not in text


def test_a_full_disk_is_not_green(vllm: Any, tmp_path: Path) -> None:
    """A limit on file size stands for the disk."""
    host, _, _ = vllm()
    run = Going(host, tmp_path / "run", turns=20)
    wait_for_turns(run.journal, 6)
    before = resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (run.journal.stat().st_size + 100, before[1]))
    code, text = run.ended()
    assert code == 4, text


def test_a_journal_in_the_way_is_not_green(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "journal-local.jsonl").mkdir()
    done = locust("--host", host, "--out", str(tmp_path / "run"), "--turns", "1", "-u", "1", *SMALL)
    assert done.returncode == 2, done.stderr
    assert "already holds a run" in done.stderr


def test_failed_turns_are_counted_against_the_allowance(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm("--fault", "503:1")
    for allowed, codes in (("99%", FAILED), ("100%", GOOD)):
        out = tmp_path / f"run-{allowed}"
        done = locust(
            "--host", host, "--out", str(out), "--turns", "2", "-u", "2", *SMALL, "--allow-failed", allowed
        )
        assert done.returncode in codes, f"{allowed}: {done.stderr}"


def test_an_exception_of_our_own_is_2(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "tests/runner/raising_chat.py",
        "--headless",
        "--only-summary",
    ]
    done = subprocess.run(
        [*command, "--host", host, "--turns", "3", "-u", "1", *SMALL, "--out", str(tmp_path / "run"),
         "--run-time", "20s"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (2, 4), done.stderr
    if done.returncode == 4:  # a busy machine outranks it
        assert not json.loads((tmp_path / "run" / "summary.json").read_text())["validity"]["trustworthy"]


@pytest.fixture
def dropping() -> Iterator[Callable[[str], tuple[str, subprocess.Popen[str]]]]:
    """Start retry_server.py; its address, and its process, which prints each request."""
    processes: list[subprocess.Popen[str]] = []

    def start(drops: str) -> tuple[str, subprocess.Popen[str]]:
        command = [sys.executable, "-u", str(Path(__file__).with_name("retry_server.py")), drops]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}", process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("drops", "turns", "requests", "codes"),
    [
        ("always", 2, 2, ["truncated", "truncated"]),  # never on a new connection: each turn is sent once
        ("second", 3, 5, [None, None, None]),  # turns 2 and 3 go out again after a kept connection died
    ],
)
def test_only_a_kept_connection_is_tried_again(
    drops: str, turns: int, requests: int, codes: list[str | None], dropping: Any, tmp_path: Path
) -> None:
    host, server = dropping(drops)
    done = locust(
        "--host", host, "--out", str(tmp_path / "run"), "--turns", str(turns), "-u", "1", *SMALL,
        "--server", "vllm", "--model", "m",
    )  # fmt: skip
    held = turns_of(tmp_path / "run")
    server.kill()
    assert [turn["code"] for turn in held] == codes, done.stderr
    assert len(server.communicate(timeout=10)[0].splitlines()) == requests
    assert [turn.get("retried", False) for turn in held] == [False] + [drops == "second"] * (turns - 1)


def capacity(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "locustfiles/capacity.py",
        "--headless",
        "--only-summary",
    ]
    return subprocess.run(
        [*command, "--slo", "p50 ttft_ms <= 5000", "--first", "2", "--most", "64", "--rate", "20", "--settle", "0.3",
         "--measure", "1", "--think-time", "0.1", "--max-tokens", "16", "--windows", "1", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_capacity_search_against_nobody_is_1(tmp_path: Path) -> None:
    done = capacity("--host", "http://127.0.0.1:9", "--out", str(tmp_path / "run"))
    assert done.returncode == 1, done.stderr


def test_a_capacity_search_whose_server_dies_ends_with_1(vllm: Any, tmp_path: Path) -> None:
    host, _, server = vllm()
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "locustfiles/capacity.py",
        "--headless",
        "--only-summary",
    ]
    process = subprocess.Popen(
        [*command, "--slo", "p50 ttft_ms <= 5000", "--first", "2", "--most", "64", "--rate", "20", "--settle", "0.3",
         "--measure", "1", "--think-time", "0.1", "--max-tokens", "16", "--windows", "1", "--history", "off",
         "--host", host, "--out", str(tmp_path / "run")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_for_turns(tmp_path / "run" / "journal-local.jsonl", 8)
    server.kill()
    text, _ = process.communicate(timeout=60)
    assert process.returncode in FAILED, text
    assert "the server is gone" in text
    if process.returncode == 1:
        assert "exit code 1: the server is gone" in text


def test_pairs_of_runs_with_the_same_out_and_with_none(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    for out in ("run", ""):
        folder = ("--out", out) if out else ()
        pair = [
            subprocess.Popen(
                [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles/chat.py"), "--headless",
                 "--only-summary", "--host", host, "--turns", "2", "-u", "2", *SMALL, *folder],
                cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
            for _ in range(2)
        ]  # fmt: skip
        texts = [process.communicate(timeout=60)[0] for process in pair]
        codes = sorted(process.returncode for process in pair)
        if out:
            assert 2 in codes and set(codes) & set(GOOD), texts
            assert sum("--out 'run': already holds a run" in text for text in texts) == 1
            assert len(turns_of(tmp_path / "run")) == 4
        else:
            assert set(codes) <= set(GOOD), texts
            folders = sorted((tmp_path / "results").iterdir())
            assert [len(turns_of(folder)) for folder in folders] == [4, 4]


def wait_for_line(journal: Path, words: bytes) -> None:
    give_up = time.monotonic() + 30
    while not journal.exists() or words not in journal.read_bytes():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_master_s_journal_that_was_deleted_is_not_green(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    run = Going(host, tmp_path / "run", *two_processes(), turns=20)
    journal = tmp_path / "run" / "journal-master.jsonl"
    wait_for_turns(journal, 6)
    journal.unlink()
    code, text = run.ended()
    assert code == 4, text
    assert "journal-master.jsonl: was deleted while the run wrote it" in text
