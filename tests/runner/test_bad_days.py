"""Bad days: what goes wrong between us and a server, and that nothing finished is lost (docs/reliability.md)."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FAILED, GOOD, ROOT, locust, read_lines, turns_of, two_processes

pytestmark = pytest.mark.e2e


def chat(
    host: str, out: Path, *arguments: str, users: int = 4, turns: int = 4
) -> subprocess.CompletedProcess[str]:
    return locust(
        "--host", host, "--out", str(out), "--turns", str(turns), "--think-time", "0.1",
        "-u", str(users), "-r", "20", "--max-tokens", "64", *arguments,
    )  # fmt: skip


FAULTS = {
    "reset": ("reset:1:3", "truncated", ()),
    "reset before any byte": ("reset:1:0", "truncated", ()),
    "truncate": ("truncate:1:3", "truncated", ()),
    "error": ("error:1:3", "server_error", ()),
    "429": ("429:1:-1", "http_429", ()),
    "503": ("503:1", "http_5xx", ()),
    "never": ("never:1", "timeout_first", ("--first-token-timeout", "0.5")),
    "slow headers": ("slow-headers:1:2", "timeout_first", ("--first-token-timeout", "0.5")),
    "stall": ("stall:1:2", "timeout_gap", ("--gap-timeout", "0.5")),
    "bad json": ("bad-json:1:3", "bad_wire", ()),
    "abort": ("abort:1:3", "aborted", ()),
    "slow-write": ("slow-write:1:500", "deadline", ("--turn-timeout", "1")),
    "huge event": ("huge-event:1:5000000", None, ()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_ends_in_its_code_and_no_turn_is_lost(name: str, vllm: Any, tmp_path: Path) -> None:
    fault, code, arguments = FAULTS[name]
    host, truth_log, server = vllm("--fault", fault)
    done = chat(host, tmp_path / "run", *arguments, users=2, turns=2)
    assert done.returncode in (GOOD if code is None else FAILED), done.stderr
    turns = turns_of(tmp_path / "run")
    assert [turn["code"] for turn in turns] == [code] * 4
    assert "Traceback" not in done.stderr
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)
    sent = {line["request_id"] for line in read_lines(truth_log) if line.get("request_id")}
    assert sent == {turn["request_id"] for turn in turns}


def test_a_connection_closed_while_the_user_thinks_is_opened_again(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm("--fault", "idle-close:1:0.05")
    done = chat(host, tmp_path / "run", "--think-time", "0.3")
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert len(turns) == 16
    assert all(turn["new_connection"] for turn in turns)


def test_429_with_retry_after_is_waited_out_and_counted(vllm: Any, tmp_path: Path) -> None:
    host, truth_log, server = vllm("--fault", "429:0.5:1")
    done = chat(host, tmp_path / "run", "--on-429", "wait", users=3, turns=3)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert all(turn["ok"] for turn in turns)
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)
    refused = sum(line.get("status") == 429 for line in read_lines(truth_log))
    assert refused > 0
    assert sum(turn.get("refusals", 0) for turn in turns) == refused
    for turn in turns:
        if turn.get("refusals"):
            assert turn["sent_ns"] - turn["due_ns"] > turn["refusals"] * 0.99e9


def test_users_who_hang_up_are_counted_apart(vllm: Any, tmp_path: Path) -> None:
    host, truth_log, server = vllm("--answer-tokens", "60:1")
    done = chat(host, tmp_path / "run", "--abandon", "50% after 5 tokens", users=6, turns=3)
    assert done.returncode in GOOD, done.stderr
    codes = Counter(turn["code"] for turn in turns_of(tmp_path / "run"))
    assert codes["abandoned"] + codes[None] == 18
    assert codes["abandoned"] > 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["abandoned"] == codes["abandoned"]
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)
    gone = [line for line in read_lines(truth_log) if line.get("ended") == "client_gone"]
    assert len(gone) == codes["abandoned"]
    assert all(5 <= line["tokens"] <= 30 for line in gone)


def test_a_server_that_stands_still_is_told_and_can_be_asked_for(vllm: Any, tmp_path: Path) -> None:
    host, _, server = vllm()
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary", "--host", host,
         "--turns", "20", "--think-time", "0.1", "-u", "4", "-r", "20", "--out", str(out),
         "--slo", "standstill_s <= 1"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_for_turns(out / "journal-local.jsonl", 12)
    server.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    server.send_signal(signal.SIGCONT)
    text, _ = process.communicate(timeout=60)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["failed"] == {}
    assert 2.5 <= summary["standstill"]["longest_s"] <= 3.5
    assert summary["standstill"]["open_turns"] == 4
    assert "The server stood still for" in text
    assert "SLO standstill_s <= 1: missed, measured" in text
    assert process.returncode in (3, 4), text


def test_a_server_killed_and_started_again_in_the_middle(vllm: Any, tmp_path: Path) -> None:
    host, _, server = vllm()
    port = int(host.rsplit(":", 1)[1])
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary", "--host", host,
         "--turns", "40", "--think-time", "0.1", "-u", "4", "-r", "20", "--out", str(out)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_for_turns(out / "journal-local.jsonl", 12)
    server.kill()
    server.wait()
    wait_for_turns(out / "journal-local.jsonl", 40)
    vllm(port=port)
    text, _ = process.communicate(timeout=60)
    assert process.returncode in FAILED, text
    turns = turns_of(out)
    assert len(turns) == 160
    codes = Counter(turn["code"] for turn in turns)
    assert set(codes) <= {None, "connect", "truncated"}
    assert codes["connect"] > 0
    assert turns[-1]["ok"], "the server came back, and nobody noticed"


def test_a_worker_killed_in_the_middle_is_told_and_its_turns_are_kept(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary", "--host", host,
         "--turns", "30", "--think-time", "0.2", "-u", "6", "-r", "20", *two_processes(), "--out", str(out)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_for_turns(out / "journal-master.jsonl", 12)
    children = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.read_text().rsplit(")", 1)[1].split()[1] == str(process.pid)
    ]
    os.kill(children[0], signal.SIGKILL)
    text, _ = process.communicate(timeout=90)
    assert process.returncode == 4, text
    manifest = json.loads((out / "manifest.json").read_text())
    assert any("was lost with 3 users in" in problem for problem in manifest["problems"])
    by_worker = Counter(turn["worker"] for turn in turns_of(out))
    assert max(by_worker.values()) == 90, "the other worker's users held all their turns"
    master = {line["turn_id"] for line in read_lines(out / "journal-master.jsonl") if line["kind"] == "turn"}
    assert master <= {turn["turn_id"] for turn in turns_of(out)}


def test_a_full_disk_stops_the_writing_and_not_the_run(vllm: Any, tmp_path: Path) -> None:
    """The limit on file size stands for a full disk: a write fails in the middle of the run."""
    host, _, _ = vllm()
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary", "--host", host,
         "--turns", "20", "--think-time", "0.05", "-u", "4", "-r", "20", "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, limits=((resource.RLIMIT_FSIZE, 16_000),),
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "journal-local.jsonl: File too large" in done.stderr
    assert len(turns_of(out)) > 5


def test_a_results_folder_that_cannot_be_made_is_refused_before_the_load(vllm: Any, tmp_path: Path) -> None:
    host, truth_log, server = vllm()
    (tmp_path / "file").write_text("", encoding="utf-8")
    for out in (str(tmp_path / "file" / "run"), "", "~/run", "/proc/run"):
        done = locust("--host", host, "--out", out, "--turns", "2", "-u", "2", "-r", "20")
        assert done.returncode == 2, done.stderr
        said = [line for line in done.stderr.splitlines() if "--out" in line]
        assert len(said) == 1
        assert repr(out) in said[0]
        assert "Traceback" not in done.stderr
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)
    assert not [line for line in read_lines(truth_log) if line.get("request_id")]


def test_more_users_than_open_files_is_told_before_the_start(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--host", host, "-u", "10000",
         "-r", "100", "--out", str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        limits=((resource.RLIMIT_NOFILE, 1024),),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "10,000 users need 10,064 open files in one process, the limit is 1,024" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_key_is_nowhere_but_on_the_wire(vllm: Any, tmp_path: Path) -> None:
    host, _, _ = vllm()
    canary = "sk-canary-8d1f"
    done = locust(
        "--host", host, "--out", str(tmp_path / "run"), "--turns", "1", *two_processes(), "-u", "2", "-r", "2",
        "--headers", '{"X-Team": "team-canary-77"}', "-L", "DEBUG", CHATLOAD_API_KEY=canary,
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    written = done.stdout + done.stderr
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            written += path.read_text(encoding="utf-8", errors="replace")
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
    assert canary not in written
    assert "team-canary-77" not in written


def wait_for_turns(journal: Path, turns: int) -> None:
    give_up = time.monotonic() + 30
    while not journal.exists() or journal.read_bytes().count(b'"kind":"turn"') < turns:
        assert time.monotonic() < give_up, f"{journal} never had {turns} turns"
        time.sleep(0.05)
