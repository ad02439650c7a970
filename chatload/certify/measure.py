"""One measurement for a certificate: the fixed-rate server and the client, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from chatload.certify.client_errors import Errors, client_answers, errors, server_answers
from chatload.certify.process_placement import Placement
from chatload.files.packaged import LOCUSTFILES, packaged
from chatload.model.certificate import CertifiedLoad
from chatload.model.errors import UsageError
from chatload.store.journal import Run, read_run

READY_S = 20.0
CLIENT = packaged(LOCUSTFILES) / "chat.py"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: the client's run, errors, exit code and CPU time, and the server's delays."""

    run: Run
    errors: tuple[Errors, ...]
    answers: int
    tokens: int
    exit_code: int
    cpu_s: float
    server_late_ms: dict[str, float | None]


def measure(load: CertifiedLoad, folder: Path, placement: Placement) -> Measured:
    """Run the client against the fixed-rate server and compare both logs. Raises UsageError if one of them failed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    truth, out = folder / "truth.jsonl", folder / "run"
    with fixed_rate_server(load, truth, folder / "simulator.log", placement) as host:
        before_s = sum(os.times()[2:4])
        code = _client(load, host, out, folder / "client.log", placement)
        cpu_s = sum(os.times()[2:4]) - before_s
    served = server_answers(truth)
    run = read_run(out)
    found = errors(client_answers(run.turns), served)
    if len(found) < 0.9 * load.users * load.turns:
        raise UsageError(
            [
                f"only {len(found)} of {load.users * load.turns} answers can be certified: see {folder}/client.log"
            ]
        )
    tokens = sum(len(answer.tokens_sent_ns) for answer in served.values())
    return Measured(run, tuple(found), len(served), tokens, code, cpu_s, _lateness(truth))


@contextmanager
def fixed_rate_server(
    load: CertifiedLoad, truth: Path, log: Path, placement: Placement | None = None
) -> Iterator[str]:
    """Run the simulator as a fixed-rate server within the `with` block, whose target is its address."""
    command = [sys.executable, "-u", "-m", "simulator", "--speak", "fixed-rate", "--port-base", "0"]
    command += ["--truth", str(truth), "--ttft-ms", f"{load.ttft_ms:g}", "--wire", load.wire]
    command += ["--tokens-per-s", f"{load.tokens_per_s:g}", "--answer-tokens", str(load.tokens)]
    command += ["--jitter-ms", f"{load.jitter_ms:g}", *(["--burst"] if load.burst else [])]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    (placement or Placement()).server(process.pid)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up = time.monotonic() + READY_S
    while True:
        words = log.read_text(encoding="utf-8", errors="replace")
        if "simulator: ready" in words:
            return words.split("listening on ")[1].split()[0]
        if process.poll() is not None or time.monotonic() > give_up:
            raise UsageError(
                [f"the simulator did not start: {' '.join(words.split()[-20:]) or f'see {log}'}"]
            )
        time.sleep(0.05)


def _client(load: CertifiedLoad, host: str, out: Path, log: Path, placement: Placement) -> int:
    command = [sys.executable, "-m", "locust", "-f", str(CLIENT), "--headless", "--only-summary"]
    command += ["-u", str(load.users), "-r", f"{load.users_per_s:g}", "--turns", str(load.turns)]
    command += ["--think-time", f"{load.think_time_s:g}", "--max-tokens", str(load.tokens)]
    command += ["--server", load.wire, "--host", host, "--stamps", load.stamps, "--out", str(out)]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    placement.client(process.pid)
    try:
        code = process.wait(timeout=60 + 3 * load.least_s)
    except subprocess.TimeoutExpired as error:
        raise UsageError([f"the client did not end in time: see {log}"]) from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code not in (0, 1, 4):
        raise UsageError([f"the client ended with exit code {code}: see {log}"])
    return code


def _lateness(truth: Path) -> dict[str, float | None]:
    """The server's own delays, from the last line of its log."""
    with open(truth, "rb") as file:
        for raw in file:
            if raw.startswith(b'{"kind":"server"'):
                return dict(orjson.loads(raw).get("writes") or {})
    return {}
