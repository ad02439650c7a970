"""The send-delay benchmark runs, and counts what was sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("mode", ["fixed-rate", "vllm"])
@pytest.mark.e2e
def test_it_counts_every_write(mode: str) -> None:
    options = ("--streams", "10", "--seconds", "0.4", "--mode", mode)
    command = [sys.executable, "-m", "lab.calibration.send_delay", *options]
    root = Path(__file__).parents[3]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert f"{mode}: 10 streams x 25 tokens/s: 10 complete, " in run.stdout
    assert ("from the events: p50" in run.stdout) == (mode == "fixed-rate")
