"""A long run with checks: `python -m lab.soak [MINUTES] [USERS]` (make soak: 60 minutes, 200 users).

Memory and open files of the load generator must not grow, its clock must not drift from the server's log, and every
turn must be in the journal. Exit code 0 if all checks pass.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chatload.store.journal import Run, read_run
from lab.simulated_server import ROOT, read_truth, simulated

MB_PER_H, MB, FDS, DRIFT_MS = 30.0, 15.0, 8, 1.0
"""Allowed growth of resident memory (which goes up and down by 10 MB), of open files, and of both delays."""

WARM_S = 225
"""Memory grows at first, by some 60 MB: reference cycles are collected only every 200,000 objects (session.py)."""

Checks = list[tuple[bool, str]]
Served = Mapping[str, Mapping[str, Any]]
"""Lines of the truth log by request id."""


def main(minutes: float = 60.0, users: int = 200) -> int:
    """Run the load, print the checks; the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with simulated("vllm", ("--answer-tokens", "60:20"), folder) as server:
        code, fds = load(server.host, folder / "run", minutes, users)
    run = read_run(folder / "run")
    served = read_truth(folder).requests
    print(f"soak: {minutes:g} min, {users} users, {len(run.turns):,} turns, exit {code}; files in {folder}")
    checks = [*memory(run), *descriptors(fds), *drift(run, served), *complete(run, served)]
    problems = run.manifest.problems
    checks.append((not problems, f"{len(problems)} problems of the recording {problems or ''}".rstrip()))
    checks.append((code in (0, 4), f"exit code {code}: 0, or 4 where the machine was too busy to be trusted"))
    for good, words in checks:
        print(f"soak: {'passed' if good else 'FAILED'}  {words}")
    return 0 if all(good for good, _ in checks) else 1


def load(host: str, out: Path, minutes: float, users: int) -> tuple[int, list[int]]:
    """The load; its exit code and its number of open files every 5 s."""
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary"]
    command += ["--host", host, "--turns", "1000000", "--think-time", "2", "-u", str(users), "-r", "20"]
    command += ["-t", f"{round(minutes * 60)}s", "--keep-text", "none", "--out", str(out)]
    log = (out.parent / "load.log").open("wb")
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
    fds = []
    while process.poll() is None:
        try:
            fds.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
        except OSError:
            break
        time.sleep(5)
    return process.wait(), fds


def memory(run: Run) -> Checks:
    """Growth of resident memory after WARM_S, by linear regression."""
    rows = [(line.at_ns / 3.6e12, line.rss_mb) for line in run.health if line.rss_mb]
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


def drift(run: Run, served: Served) -> Checks:
    """Delay from sent to received, and from token sent to token received: medians of first and last tenth."""
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
    for name, ways in (("delay of requests", there), ("delay of first tokens", back)):
        tenth = max(1, len(ways) // 10)
        first, last = statistics.median(ways[:tenth]), statistics.median(ways[-tenth:])
        words = f"{name} {first:.2f} → {last:.2f} ms (medians of first and last tenth)"
        checks.append((abs(last - first) <= DRIFT_MS, f"{words}, at most {DRIFT_MS:g} ms apart"))
    return checks


def complete(run: Run, served: Served) -> Checks:
    """Compares journal and truth log."""
    known = {turn.request_id for turn in run.turns}
    good = {turn.request_id for turn in run.turns if turn.ok}
    whole = {request_id for request_id, line in served.items() if line["ended"] == "complete"}
    failed = [turn.code for turn in run.turns if not turn.ok and turn.code != "interrupted"]
    lost = sum(line.lost_lines or 0 for line in run.ends)
    missing = served.keys() - known
    return [
        (not missing, f"{len(missing)} requests of the server's log are not in the journal"),
        (good <= whole, f"{len(good - whole)} good turns that the server did not complete"),
        (not failed, f"{len(failed)} turns failed"),
        (not run.torn_lines and not lost, f"{run.torn_lines} torn lines, {lost} lost lines"),
    ]


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 60.0, int(sys.argv[2]) if sys.argv[2:] else 200))
