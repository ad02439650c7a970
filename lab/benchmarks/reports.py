"""What a report of a large run costs: makes a run folder of n turns, and measures commands that read it.

`python -m lab.benchmarks.reports --turns 1000000` (`make bench-report`). The turns are those of a steady closed loop:
each user's next turn is due when its reply has ended and it has thought.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chatload.model.journal_lines import EndLine, HealthLine, StartLine, UserLine, encode
from chatload.model.turn import Turn
from chatload.runner.finish import finish
from chatload.store.manifest import Manifest, read_manifest, write_json
from plots.report.beside import DrawingProcess

MS, S = 1_000_000, 1_000_000_000
START_NS, START_UTC_NS = 5_000 * S, 1_795_000_000 * S
USERS_PER_S = 100.0
THINK_S = 2.0


def make_run(folder: Path, turns: int, users: int, tokens: int, workers: int) -> None:
    """Write a run folder of so many turns; `tokens` is the mean length of a reply."""
    folder.mkdir(parents=True)
    each = -(-turns // users)
    ended_ns = 0
    for number in range(workers):
        worker = f"w{number}"
        with open(folder / f"journal-{worker}.jsonl", "wb") as file:
            lines = 0
            for line in _lines(worker, range(number, users, workers), each, turns, users, tokens):
                file.write(encode(line) + b"\n")
                lines += 1
                if isinstance(line, Turn):
                    ended_ns = max(ended_ns, line.end_ns)
            file.write(encode(EndLine(at_ns=ended_ns, worker=worker, reason="done", lines=lines + 1)) + b"\n")
    chat = {
        "kind": "chat",
        "users": users,
        "users_per_s": USERS_PER_S,
        "turns": each,
        "think_time_s": THINK_S,
    }
    plan = {"server": "vllm", "model": "m", "scenario": "chat", "host": "http://127.0.0.1:8000", "load": chat}
    manifest = {
        "format": 3,
        "run_id": "made",
        "scenario": "chat",
        "plan_sentence": f"{users:,} users, {each:,} turns each.",
        "plan": plan,
        "server": {
            "host": "http://127.0.0.1:8000",
            "dialect": "openai",
            "model": "m",
            "words": "vLLM 0.11.0",
        },
        "started_utc": "2026-11-22T20:00:00.000+00:00",
        "started_ns": START_NS,
        "ended_ns": ended_ns,
        "ended": "done",
        "exit_code": 0,
        "turns_heard": turns,
    }
    write_json(folder / "manifest.json", msgspec.convert(manifest, Manifest))


def _lines(
    worker: str, numbers: range, each: int, turns: int, users: int, tokens: int
) -> Iterator[StartLine | UserLine | HealthLine | Turn]:
    """The journal of one worker: its users one after another, which readers put in order."""
    draw = random.Random(worker)
    yield StartLine(at_ns=START_NS, worker=worker, utc_ns=START_UTC_NS, run_id="made", pid=1)
    last_ns = START_NS
    for user in numbers:
        due_ns = START_NS + round(user / USERS_PER_S * S)
        yield UserLine(at_ns=due_ns, worker=worker, user=user, event="in")
        for number in range(1, each + 1):
            if (number - 1) * users + user >= turns:
                break
            turn = _turn(worker, user, number, due_ns, tokens, draw)
            yield turn
            due_ns = turn.end_ns + round(THINK_S * S)
        last_ns = max(last_ns, due_ns)
        yield UserLine(at_ns=due_ns, worker=worker, user=user, event="out", reason="done")
    for at_ns in range(START_NS, last_ns, S):
        yield HealthLine(
            at_ns=at_ns, worker=worker, seconds=1.0, cpu_percent=20.0, rss_mb=90.0, users=len(numbers),
            in_flight=len(numbers) // 2, reads=900, hub_lag_p50_ms=0.1, hub_lag_p99_ms=0.7, hub_lag_max_ms=1.5,
            lagging_ms=0.0, looks_missed=0, longest_look_ms=2.0, coalesced=0, late_sends=0, spoiled=0,
        )  # fmt: skip


def _turn(worker: str, user: int, number: int, due_ns: int, tokens: int, draw: random.Random) -> Turn:
    """One turn: 1 of 1,000 fails, 1 of 10,000 is marked, 1 of 20 has events that share a read."""
    sent_ns = due_ns + round(draw.uniform(0.1, 0.6) * MS)
    first_byte_ns = sent_ns + round(draw.uniform(4, 8) * MS)
    turn_id = f"{worker}-{user}-{number}"
    request_id = f"{draw.getrandbits(128):032x}"
    chance = draw.random()
    if chance < 0.001:
        return Turn(
            turn_id=turn_id, request_id=request_id, user=user, turn=number, worker=worker, due_ns=due_ns,
            sent_ns=sent_ns, headers_ns=first_byte_ns, first_byte_ns=first_byte_ns, end_ns=first_byte_ns + MS,
            bytes=80, reads=1, sent_bytes=400, stamp_source="kernel", code="http_5xx", status=500,
            detail="500 Internal Server Error", prompt_characters=400,
        )  # fmt: skip
    first_ns = first_byte_ns + round(120 * draw.lognormvariate(0, 0.35) * MS)
    events = max(2, round(draw.gauss(tokens, tokens / 5)))
    step_us = 25_000 + draw.randrange(-2_000, 2_000)
    gaps_us = tuple(step_us + draw.getrandbits(10) for _ in range(events - 1))
    last_ns = first_ns + sum(gaps_us) * 1000
    return Turn(
        turn_id=turn_id, request_id=request_id, user=user, turn=number, worker=worker,
        reply_id=f"chatcmpl-{draw.getrandbits(128):032x}", due_ns=due_ns, sent_ns=sent_ns,
        connected_ns=sent_ns - 50_000 if number == 1 else None, headers_ns=first_byte_ns,
        first_byte_ns=first_byte_ns, first_event_ns=first_byte_ns, first_token_ns=first_ns,
        first_answer_ns=first_ns, last_token_ns=last_ns, end_ns=last_ns + draw.randrange(200_000, 600_000),
        connect_ms=0.3 if number == 1 else None, new_connection=number == 1, tokens=events, token_source="usage",
        prompt_tokens=90 + 40 * number, events=events, first_event_tokens=1, first_event_source="one_per_event",
        gaps_us=gaps_us, reads=events + 2, coalesced=3 if chance > 0.95 else 0, bytes=events * 240, sent_bytes=600,
        characters=events * 4, stamp_source="kernel", ok=True, status=200, finish="stop",
        marks=("late_send",) if chance > 0.9999 else (), prompt_characters=400 + 160 * number,
        prompt="Tell me a story." if user == 0 else None, text="Once upon a time." if user == 0 else None,
    )  # fmt: skip


def end_of(folder: Path) -> None:
    """Verdict and reports, as a run writes them after its last turn; says after how many seconds each line came."""
    plan, began = read_manifest(folder).plan, time.monotonic()
    assert plan is not None
    finish(
        folder,
        plan,
        lambda words: print(f"{time.monotonic() - began:.2f} s {words}"),
        DrawingProcess().beside,
    )
    print(f"{time.monotonic() - began:.2f} s end", flush=True)


def measured(words: list[str]) -> tuple[float, float, float]:
    """(seconds, seconds of processor time, peak MB) of a command. Its children's peak must not be above its own."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return time.monotonic() - began, cpu_s, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="What reports of a large run cost.")
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--tokens", type=int, default=67, help="mean tokens of a reply")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument(
        "--folder", type=Path, default=Path("results/large"), help="made where it is not there"
    )
    parser.add_argument("--only-make", action="store_true")
    parser.add_argument("--only-finish", action="store_true", help="do what a run does at its end")
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    if not folder.exists():
        make_run(folder, chosen.turns, chosen.users, chosen.tokens, chosen.workers)
    if chosen.only_make:
        return
    if chosen.only_finish:
        end_of(folder)
        return
    chatload = [sys.executable, "-m", "chatload"]
    finish_it = ["-m", "lab.benchmarks.reports", "--folder", str(folder), "--only-finish"]
    print(f"{'command':32} {'seconds':>8} {'CPU-s':>8} {'peak MB':>8}", flush=True)
    for name, words in {
        "report": [*chatload, "report", str(folder)],
        "report --csv": [*chatload, "report", "--csv", str(folder)],
        "report --csv-turns": [*chatload, "report", "--csv-turns", str(folder)],
        "report --html": [*chatload, "report", str(folder), "--html"],
        "what a run does at its end": [sys.executable, *finish_it],
    }.items():
        wall_s, cpu_s, peak_mb = measured(words)
        print(f"{name:32} {wall_s:8.1f} {cpu_s:8.1f} {peak_mb:8.0f}", flush=True)


if __name__ == "__main__":
    main()
