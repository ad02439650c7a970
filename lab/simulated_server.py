"""Starts a server in a process of its own, as long as a `with` lasts, and reads the simulator's truth log."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
READY_S, STOP_S = 20.0, 30.0
TRUTH = "truth.jsonl"


class ServerError(Exception):
    """The server did not start."""


@contextmanager
def server_process(
    command: Sequence[str], log: Path, started: Callable[[int], None] | None = None
) -> Iterator[str]:
    """Start a server that prints "listening on ADDRESS" and give that address; SIGTERM afterwards.

    What it prints goes to `log`. `started` gets its process id at once. ServerError if it does not come up.
    """
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            if started is not None:
                started(process.pid)
            yield _address(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_s = time.monotonic() + READY_S
    while True:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [line.split("listening on ")[1].split()[0] for line in lines if "listening on" in line]
        if found and lines[-1].endswith("\n"):
            return found[0]
        if process.poll() is not None or time.monotonic() > give_up_s:
            raise ServerError(f"the server did not start: {''.join(lines[-5:]).strip() or f'see {log}'}")
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A running simulator: its address, the folder of its truth log and output, and the command to start it."""

    host: str
    folder: Path
    command: str


@contextmanager
def simulated(speak: str, arguments: Sequence[str], folder: Path) -> Iterator[Simulated]:
    """The simulator as one server on a free port; its logs in `folder` are complete afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["-m", "simulator", "--speak", speak, *arguments]
    command = [sys.executable, "-u", *words, "--port-base", "0", "--truth", str(folder / TRUTH)]
    with server_process(command, folder / "simulator.log") as host:
        yield Simulated(host, folder, f"python {' '.join(words)} --port-base 8200")


@dataclass(frozen=True, slots=True)
class TruthLog:
    """The simulator's record: its requests by X-Request-Id, and how late its sends were (ms, by percentile)."""

    requests: Mapping[str, Mapping[str, Any]]
    lateness_ms: Mapping[str, float]


def read_truth(folder: Path) -> TruthLog:
    """The truth log of a server that has been stopped."""
    requests: dict[str, Mapping[str, Any]] = {}
    lateness: Mapping[str, float] = {}
    with open(folder / TRUTH, encoding="utf-8") as file:
        for raw in file:
            line = json.loads(raw)
            if line["kind"] == "server":
                lateness = line.get("writes") or {}
            elif line.get("request_id"):
                requests[line["request_id"]] = line
    return TruthLog(requests, lateness)
