"""Runs other programs, and ends them when this process is ended by Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence


def run_to_end(command: Sequence[str]) -> int:
    """Run a command with our output and return its exit code. The process has ended when this returns or raises."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # A Ctrl-C of the terminal went to both processes, a SIGTERM to this one only: pass it on.
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        raise
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that still runs: SIGTERM, after 10 s SIGKILL."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
