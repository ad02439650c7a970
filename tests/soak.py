"""A long run and a verdict: `python tests/soak.py [MINUTES] [USERS]` (make soak: 60 minutes, 200 users).

Memory and descriptors of the load must stay flat, its clock must not drift from the server's own log, and
every turn must be in the journal. Exit code 0 when all of it held.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from chatload.store.journal import Run, read_run  # noqa: E402 - the root must be on the path first

MB_PER_H, MB, FDS, DRIFT_MS = 30.0, 15.0, 8, 1.0
"""What passes for flat: growth of resident memory (its saw has teeth of 10 MB), of open files, of the ways."""

WARM_S = 225
"""Memory fills at first: cycles are collected every 200,000 objects only (session.py), some 60 MB."""

Checks = list[tuple[bool, str]]


def main(minutes: float = 60.0, users: int = 200) -> int:
    """Run, judge, say so."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    truth = folder / "truth.jsonl"
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "simulator", "--speak", "vllm", "--port-base", "0", "--truth", str(truth),
         "--answer-tokens", "60:20"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        host = next(
            line.split("listening on ")[1].split()[0] for line in server.stdout if "listening on" in line
        )
        code, fds = load(host, folder / "run", minutes, users)
    finally:
        server.terminate()
        server.wait(timeout=30)
    run = read_run(folder / "run")
    served = {
        line["request_id"]: line
        for line in map(json.loads, truth.read_text(encoding="utf-8").splitlines())
        if line.get("request_id")
    }
    print(f"soak: {minutes:g} min, {users} users, {len(run.turns):,} turns, exit {code}; files in {folder}")
    checks = [*memory(run), *descriptors(fds), *drift(run, served), *complete(run, served)]
    problems = run.manifest["problems"]
    checks.append((not problems, f"{len(problems)} problems of the recording {problems or ''}".rstrip()))
    checks.append((code in (0, 4), f"exit code {code}: 0, or 4 where the machine was too busy to be trusted"))
    for good, words in checks:
        print(f"soak: {'good' if good else 'BAD '}  {words}")
    held = all(good for good, _ in checks)
    print(f"soak: {'held' if held else 'DID NOT HOLD'}")
    return 0 if held else 1


def load(host: str, out: Path, minutes: float, users: int) -> tuple[int, list[int]]:
    """The load; its exit code and its number of open files every 5 s."""
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary", "--host", host,
         "--turns", "1000000", "--think-time", "2", "-u", str(users), "-r", "20", "-t", f"{round(minutes * 60)}s",
         "--keep-text", "none", "--out", str(out)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=(out.parent / "load.log").open("wb"),
    )  # fmt: skip
    fds = []
    while process.poll() is None:
        try:
            fds.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
        except OSError:
            break
        time.sleep(5)
    return process.wait(), fds


def memory(run: Run) -> Checks:
    """Growth of resident memory, by a line through it, once it is full: see WARM_S."""
    rows = [(line["at_ns"] / 3.6e12, line["rss_mb"]) for line in run.health if line.get("rss_mb")]
    rows = rows[max(len(rows) // 4, min(WARM_S, len(rows) * 3 // 4)) :]
    slope, _ = statistics.linear_regression(*zip(*rows, strict=True))
    grown = slope * (rows[-1][0] - rows[0][0])
    words = f"memory {rows[0][1]:.0f} → {rows[-1][1]:.0f} MB, {slope:+.1f} MB/h"
    return [(slope <= MB_PER_H or grown < MB, f"{words}, at most {MB_PER_H:g} MB/h or {MB:g} MB in all")]


def descriptors(fds: Sequence[int]) -> Checks:
    """Growth of open files once all users are in."""
    steady = fds[len(fds) // 4 : -1]
    first, last = statistics.median(steady[:5]), statistics.median(steady[-5:])
    return [(last - first <= FDS, f"open files {first:g} → {last:g}, at most {FDS} more")]


def drift(run: Run, served: dict[str, Any]) -> Checks:
    """The request's way to the server and the first token's way back, in the first and the last tenth."""
    there, back = [], []
    for turn in run.turns:
        told = served.get(turn.request_id)
        if turn.ok and told and turn.sent_ns and turn.first_token_ns:
            first = next(
                at for at, n in zip(told["events"]["sent_ns"], told["events"]["tokens"], strict=True) if n
            )
            there.append((told["received_ns"] - turn.sent_ns) / 1e6)
            back.append((turn.first_token_ns - first) / 1e6)
    checks = []
    for name, ways in (("request's way", there), ("first token's way", back)):
        tenth = max(1, len(ways) // 10)
        first, last = statistics.median(ways[:tenth]), statistics.median(ways[-tenth:])
        words = f"{name} {first:.2f} → {last:.2f} ms (medians of first and last tenth)"
        checks.append((abs(last - first) <= DRIFT_MS, f"{words}, at most {DRIFT_MS:g} ms apart"))
    return checks


def complete(run: Run, served: dict[str, Any]) -> Checks:
    """Journal against truth log."""
    known = {turn.request_id for turn in run.turns}
    good = {turn.request_id for turn in run.turns if turn.ok}
    whole = {request_id for request_id, line in served.items() if line["ended"] == "complete"}
    failed = [turn.code for turn in run.turns if not turn.ok and turn.code != "interrupted"]
    lost = sum(line.get("lost_lines") or 0 for line in run.ends)
    return [
        (not served.keys() - known, f"{len(served.keys() - known)} requests the server saw are not in the journal"),
        (good <= whole, f"{len(good - whole)} good turns the server did not finish"),
        (not failed, f"{len(failed)} turns failed"),
        (not run.torn_lines and not lost, f"{run.torn_lines} torn lines, {lost} lost lines"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 60.0, int(sys.argv[2]) if sys.argv[2:] else 200))
