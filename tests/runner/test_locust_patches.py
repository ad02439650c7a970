"""Runs the …_in_locust.py files in processes of their own: Locust patches the interpreter, and wants to be first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.e2e
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*_in_locust.py")))
def test_inside_locust(name: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.in_locust",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:anyio",
            str(HERE / name),
        ],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
