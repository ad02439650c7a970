"""Runs of the open loop and of sweeps against the simulator, for the tests beside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from conftest import ROOT, turns_of


def run(locustfile: str, host: str, out: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run a locustfile headless; its exit code and the turns in order of due."""
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", f"locustfiles/{locustfile}.py", "--headless", "--only-summary",
         "--host", host, "--out", str(out), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    turns = turns_of(out)
    assert turns, done.stderr
    return done.returncode, turns


def offsets_ns(turns: list[dict[str, Any]]) -> list[int]:
    """Due times after the first."""
    return [turn["due_ns"] - turns[0]["due_ns"] for turn in turns]


def lateness_ms(turns: list[dict[str, Any]]) -> list[float]:
    """sent - due, upwards."""
    return sorted((turn["sent_ns"] - turn["due_ns"]) / 1e6 for turn in turns)


def most_in_flight(turns: list[dict[str, Any]]) -> int:
    """The most requests that were between sent and end at one moment."""
    moments = [(turn["sent_ns"], 1) for turn in turns] + [(turn["end_ns"], -1) for turn in turns]
    now = most = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most
