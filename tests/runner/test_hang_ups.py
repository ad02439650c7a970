"""Users that hang up, and how long the server keeps their slots: what the report says, and what the server logged."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, locust, read_lines, turns_of

pytestmark = pytest.mark.e2e


def kept_s(out: Path, freed_ns: dict[str, int]) -> float:
    """The median time from our hang-up to the server's freeing, by its own log; what it has not freed is endless."""
    gone = [turn for turn in turns_of(out) if turn["code"] == "abandoned"]
    assert len(gone) > 3
    endless = float("inf")
    return statistics.median(
        (freed_ns.get(turn["request_id"], endless) - turn["end_ns"]) / 1e9 for turn in gone
    )


def slot_release(out: Path) -> dict[str, Any]:
    found = json.loads((out / "summary.json").read_text())["slot_release"]
    assert isinstance(found, dict)
    return found


def chat(host: str, out: Path, *arguments: str) -> None:
    done = locust(
        "--host", host, "--out", str(out), "--turns", "4", "--think-time", "0.3", "-u", "6", "-r", "10",
        "--abandon", "40% after 20 tokens", *arguments,
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr


def test_a_server_that_frees_at_once(vllm: Any, tmp_path: Path) -> None:
    host, truth_log, server = vllm("--answer-tokens", "60:1")
    out = tmp_path / "run"
    chat(host, out, "--max-tokens", "64")
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)
    truth = {line["request_id"]: line["end_ns"] for line in read_lines(truth_log) if line.get("request_id")}
    low, high = slot_release(out)["freed_s"]
    kept = kept_s(out, truth)
    assert low <= kept <= high < kept + 5 and low < 0.5


def test_a_server_that_takes_its_time(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "run"
    command = [sys.executable, str(Path(__file__).with_name("slow_to_free.py")), "1.3", str(log)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        chat(f"http://127.0.0.1:{int(server.stdout.readline())}", out, "--server", "openai")
    finally:
        server.kill()
        server.communicate()
    found = slot_release(out)
    low, high = found["freed_s"]
    truth = kept_s(out, {line["request_id"]: line["freed_ns"] for line in read_lines(log)})
    assert truth >= 1.3
    assert low <= truth <= high
    assert low > 0.5
    assert high < truth + 1.1
    assert 0.4 < found["every_s"] < 2, "asked each 0.5 s; a busy machine may be late"
