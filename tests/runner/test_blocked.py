"""A load generator that cannot keep up: its kernel stamps stay true, and where they cannot, it says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatload.certify.client_errors import ClientAnswer, ServerAnswer, client_answers, errors, server_answers
from chatload.certify.measure import fixed_rate_server
from chatload.model.certificate import CertifiedLoad
from chatload.store.journal import read_run
from tests.command import chatload

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.e2e
TRIES = 3
LOAD = CertifiedLoad(
    users=10, users_per_s=20, turns=3, think_time_s=0.1, ttft_ms=100, tokens_per_s=40, tokens=20, jitter_ms=0,
    burst=False, wire="openai", stamps="kernel",
)  # fmt: skip


def blocked_run(
    folder: Path, block_ms: int, every_ms: int, stamps: str
) -> tuple[int, str, dict[str, ClientAnswer], Any]:
    """(exit code, what it said, its good turns, the truth)."""
    truth, out = folder / "truth.jsonl", folder / "run"
    with fixed_rate_server(LOAD, truth, folder / "simulator.log") as host:
        done = subprocess.run(
            [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("blocked_chat.py")), "--headless",
             "--only-summary", "-u", "10", "-r", "20", "--turns", "3", "--think-time", "0.1", "--max-tokens", "20",
             "--host", host, "--server", "openai", "--stamps", stamps, "--out", str(out)],
            cwd=ROOT, env=os.environ | {"BLOCK_MS": str(block_ms), "EVERY_MS": str(every_ms)},
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    return done.returncode, done.stderr, client_answers(read_run(out).turns), server_answers(truth)


def unmarked(said: dict[str, ClientAnswer], truth: dict[str, ServerAnswer]) -> list[float]:
    return sorted(each.arrival_ms for each in errors(said, truth) if not each.marks)


def test_blocked_15_ms_in_50_the_times_are_true(tmp_path: Path) -> None:
    _, _, said, truth = blocked_run(tmp_path, 15, 50, "kernel")
    clean = unmarked(said, truth)
    assert len(clean) >= 15
    assert clean[len(clean) * 9 // 10] < 1.0


@pytest.mark.parametrize("stamps", ["kernel", "user"])
def test_blocked_100_ms_it_says_so_first_and_exits_4(tmp_path: Path, stamps: str) -> None:
    """A busy machine may also hold us up between arrival and stamp, unseen: that does not happen each time."""
    for attempt in range(TRIES):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        code, words, said, truth = blocked_run(folder, 100, 160, stamps)
        assert code == 4
        assert "chatload: NOT TRUSTWORTHY: " in words
        found = errors(said, truth)
        wrong = [each for each in found if each.arrival_ms > 30]
        assert wrong
        assert any("censored_first" in each.marks for each in found)
        if all(each.marks for each in wrong):
            break
    assert all(each.marks for each in wrong)
    run = folder / "run"
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["exit_code"] == 4
    assert chatload("report", run).output.startswith("NOT TRUSTWORTHY: ")


def test_the_interval_of_a_censored_first_token_holds_the_truth(tmp_path: Path) -> None:
    blocked_run(tmp_path, 100, 160, "kernel")
    truth = server_answers(tmp_path / "truth.jsonl")
    censored = [turn for turn in read_run(tmp_path / "run").turns if turn.first_token_after_ns is not None]
    assert censored
    for turn in censored:
        sent_ns = truth[turn.request_id].tokens_sent_ns[0]
        assert turn.first_token_after_ns is not None
        assert turn.first_token_ns is not None
        assert turn.first_token_after_ns - 1_000_000 < sent_ns < turn.first_token_ns
