"""A simulated server in a process of its own, for as long as a `with` lasts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STOP_S = 20.0
TRUTH, WORDS = "truth.jsonl", "simulator.log"


@dataclass(frozen=True, slots=True)
class Simulated:
    """`host`: its address. `folder`: where its truth log and its words are. `command`: what a person types."""

    host: str
    folder: Path
    command: str


class SimulatorError(Exception):
    """The simulator did not come up."""


@contextmanager
def simulated(speak: str, knobs: Sequence[str], folder: Path) -> Iterator[Simulated]:
    """Start the simulator as one server on a free port; stopped, and its logs complete, afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["-m", "simulator", "--speak", speak, *knobs]
    words = folder / WORDS
    with open(words, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", *arguments, "--port-base", "0", "--truth", str(folder / TRUTH)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=output, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            said = list(_until_ready(process.stdout))
            hosts = [line.split("listening on ")[1].split()[0] for line in said if "listening on" in line]
            if not hosts:
                raise SimulatorError(f"simulator --speak {speak}: did not come up: {words.read_text()}")
            yield Simulated(hosts[0], folder, f"python {' '.join(arguments)} --port-base 8200")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                rest, _ = process.communicate(timeout=STOP_S)
                output.write(rest)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until_ready(lines: Iterator[str] | Any) -> Iterator[str]:
    for line in lines:
        yield line
        if "ready" in line:
            return


@dataclass(frozen=True, slots=True)
class TruthLog:
    """What the simulator says it did: one mapping a request by its X-Request-Id, and how late its sends were."""

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
