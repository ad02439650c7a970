"""Runs patches_in_locust.py in a process of its own: Locust patches the interpreter, and wants to be first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).with_name("patches_in_locust.py")
LOCUST_FIRST = "import locust, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"


def test_every_workaround_is_still_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOCUST_FIRST, "-q", "-p", "no:cacheprovider", "-p", "no:anyio", str(TESTS)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
