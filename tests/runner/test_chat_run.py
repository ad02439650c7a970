"""Whole runs against the simulator in its own process, compared with what the simulator logged it sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, ROOT, locust, read_lines, turns_of, two_processes

from chatload.render.run_verdict import certificate_words
from chatload.store.manifest import read_manifest
from tests.long import size

pytestmark = pytest.mark.e2e


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Any]:
    """Start the simulator; gives the addresses of its servers and its truth log."""
    processes = []

    def start(*arguments: str) -> tuple[list[str], Path]:
        truth = tmp_path / "truth.jsonl"
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "simulator", "--port-base", "0", "--truth", str(truth), *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        hosts = []
        assert process.stdout is not None
        for line in process.stdout:
            if "listening on" in line:
                hosts.append(line.split("listening on ")[1].split()[0])
            if "ready" in line:
                break
        return hosts, truth

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=10)


def test_a_run_against_the_simulator_is_called_simulated_everywhere(simulator: Any, tmp_path: Path) -> None:
    (host,), _ = simulator("--speak", "vllm", "--answer-tokens", "12:3")
    out = tmp_path / "run"
    done = locust(
        "--host", host, "--turns", "2", "--think-time", "0.05", "-u", "2", "-r", "20", "--out", str(out),
        "--label", "mine", CHATLOAD_TEST_PICTURES="1",
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    words = "vllm-v1@demo, no real machine"
    assert f"Simulated ({words}). 4 of 4 turns good" in done.stderr
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["server"]["simulation"] == {"profile": "vllm-v1@demo", "measured": False}
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["simulation"]["profile"], summary["label"]) == ("vllm-v1@demo", "mine (simulated)")
    page = (out / "report.html").read_text(encoding="utf-8")
    headline = page.partition('<h1 class="verdict">')[2].partition("</h1>")[0]
    assert f"Simulated ({words})." in headline, headline
    assert page.count(f"Simulated ({words}).") > 2, "headline and each picture"
    assert "Simulated" in (out / "summary.md").read_text(encoding="utf-8")


def truth_by_id(truth: Path) -> dict[str, dict[str, Any]]:
    return {line["request_id"]: line for line in read_lines(truth) if line.get("request_id")}


def ttft_errors_ms(turns: list[dict[str, Any]], truth: dict[str, dict[str, Any]]) -> list[float]:
    """Reported TTFT minus the simulator's own time from request read to first token sent."""
    errors = []
    for turn in turns:
        sent = truth[turn["request_id"]]
        events = sent["events"]
        first = next(at for at, n in zip(events["sent_ns"], events["tokens"], strict=True) if n)
        errors.append((turn["first_token_ns"] - turn["sent_ns"] - (first - sent["received_ns"])) / 1e6)
    return sorted(errors)


USERS, RATE, TURNS = 100, size(10, 50), size(10, 2)


def test_the_article_s_plan_turn_by_turn(simulator: Any, tmp_path: Path) -> None:
    """chat-100: each turn of each conversation, the ramp even, 2 s after each reply, times true.

    How late turns are sent is asked only where the run itself says that it was not held up.
    """
    (host,), truth_log = simulator("--speak", "vllm", "--answer-tokens", "30:8")
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "locust", "--config", "scenarios/chat-100.toml", "--host", host, "--out", str(out),
         "--spawn-rate", str(RATE), "--turns", str(TURNS), "--json-file", str(tmp_path / "locust")],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    words = f"100 users over {USERS / RATE:.0f} s, {TURNS} turns each, 2 s after each reply"
    assert words in done.stderr
    turns = turns_of(out)
    assert len(turns) == USERS * TURNS
    assert all(200 < turn["sent_bytes"] - turn["prompt_characters"] < 500 for turn in turns)
    by_place = {(turn["user"], turn["turn"]): turn for turn in turns}
    assert by_place.keys() == {(user, turn) for user in range(USERS) for turn in range(1, TURNS + 1)}
    start_ns = json.loads((out / "manifest.json").read_text())["ramps"][0]["start_ns"]
    for (user, number), turn in by_place.items():
        after_ns = start_ns + user * 10**9 // RATE if number == 1 else by_place[user, number - 1]["end_ns"]
        assert turn["due_ns"] == pytest.approx(after_ns + (0 if number == 1 else 2e9), abs=1e6)
    late_ms = sorted((turn["sent_ns"] - turn["due_ns"]) / 1e6 for turn in turns)
    assert late_ms[0] >= 0
    assert json.loads((tmp_path / "locust.json").read_text())[0]["num_requests"] == len(turns)
    truth = truth_by_id(truth_log)
    assert {turn["request_id"] for turn in turns} == set(truth)
    assert all(turn["tokens"] == truth[turn["request_id"]]["tokens"] for turn in turns)
    errors = ttft_errors_ms(turns, truth)
    assert errors[0] < 1 and errors[len(errors) // 2] > -1
    if done.returncode == 0:
        assert errors[len(errors) // 2] < 1
        assert late_ms[len(late_ms) // 2] < 20
        assert errors[int(len(errors) * 0.9)] < 5
    summary = json.loads((out / "summary.json").read_text())
    assert summary["turns"] == summary["succeeded"] == len(turns)
    assert 0 < summary["ttft_ms"]["n"] <= len(turns), (
        "of those due while all users were in, where there are enough"
    )


def test_two_processes_hold_the_same_plan(simulator: Any, tmp_path: Path) -> None:
    """--processes 2: every turn once, users split over the workers, the ramp even across them."""
    (_, host), _ = simulator("--speak", "vllm,tgi", "--answer-tokens", "10:3")
    out, certificate = tmp_path / "run", tmp_path / "certificate.json"
    certificate.write_text(
        json.dumps({"kind": "certificate", "ttft_error_ms": {"p99": 0.1}, "load": {"users": 99}})
    )
    done = locust(
        "--host", host, "--turns", "3", "--think-time", "0.3", "--out", str(out), "-u", "12", "-r", "6",
        *two_processes(), "--certificate", str(certificate), "--history", "on", "--max-tokens", "50",
        "--json",
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(out)
    assert {(turn["user"], turn["turn"]) for turn in turns} == {
        (u, t) for u in range(12) for t in range(1, 4)
    }
    assert len({turn["worker"] for turn in turns}) == 2
    manifest = json.loads((out / "manifest.json").read_text())
    start_ns = manifest["ramps"][0]["start_ns"]
    assert "certified at 99 users a worker, 2 of 2 workers" in certificate_words(read_manifest(out))
    assert {worker["machine"]["cores"] for worker in manifest["workers"].values()} == {os.cpu_count()}
    first = [turn for turn in turns if turn["turn"] == 1]
    for turn in first:
        assert turn["due_ns"] == pytest.approx(start_ns + turn["user"] * 1e9 / 6, abs=2)
    assert -1e6 < min(turn["sent_ns"] - turn["due_ns"] for turn in first) < 100e6
    assert json.loads(done.stdout)[0]["num_requests"] == 36, "the master's table, and none of a worker's"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_keeps_what_was_finished(simulator: Any, tmp_path: Path, stop: int) -> None:
    (host,), truth_log = simulator("--speak", "vllm", "--answer-tokens", "10:3")
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary",
         "--host", host, "--turns", "100", "--think-time", "0.05", "-u", "5", "-r", "20", "--out", str(out)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    journal = out / "journal-local.jsonl"
    give_up = time.monotonic() + 30
    while not journal.exists() or journal.read_bytes().count(b'"kind":"turn"') < 20:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    process.send_signal(stop)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 4, text
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["ended"] == "interrupted"
    turns = turns_of(out)
    finished = [turn for turn in turns if turn["code"] != "interrupted"]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["turns"] == len(finished) >= 20
    truth = truth_by_id(truth_log)
    complete = {request_id for request_id, line in truth.items() if line["ended"] == "complete"}
    assert {turn["request_id"] for turn in finished if turn["ok"]} <= complete
    last_words = text.rpartition("Response time percentiles")[2]
    words = (
        f"Interrupted. {summary['succeeded']:,} of {summary['turns']:,} turns held good (500 were planned)"
    )
    assert words in last_words, "after Locust's own tables, not before them"


def test_prompts_and_answers_are_as_long_as_asked_by_the_server_s_own_count(
    simulator: Any, tmp_path: Path
) -> None:
    """By the simulator's truth log; what the scenario repeats is what the warm cache held, and no probe is a turn."""
    (host,), truth_log = simulator("--speak", "vllm")
    out = tmp_path / "run"
    done = locust(
        "--host", host, "-u", "6", "-r", "60", "--turns", "2", "--history", "on", "--think-time", "0.05",
        "--prompt-tokens", "200..300", "--answer-tokens", "3..6", "--system-prompt", "Be terse.",
        "--shared-prefix-tokens", "128", "--prefix-groups", "2", "--cache", "warm", "--out", str(out),
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    turns, truth = turns_of(out), truth_by_id(truth_log)
    assert len(turns) == 12
    before: dict[int, int] = {}
    for turn in sorted(turns, key=lambda turn: turn["turn"]):
        told = truth[turn["request_id"]]
        assert told["prompt_tokens"] - before.get(turn["user"], 0) == turn["asked_prompt_tokens"]
        assert told["tokens"] == turn["asked_tokens"]
        before[turn["user"]] = told["prompt_tokens"] + told["tokens"]
    facts = json.loads((out / "manifest.json").read_text())["prompts"]
    assert (facts["counted_by"], facts["probes"], facts["warmed"]) == ("tokenizer", 3, 2)
    lengths = json.loads((out / "summary.json").read_text())["lengths"]
    assert lengths["prompts"]["within_1_percent"] == lengths["added"]["within_1_percent"] == 1
    assert lengths["repeated_share"] == pytest.approx(lengths["cached_share"], abs=0.06)
    assert len(truth) == 12 + 3 + 2
