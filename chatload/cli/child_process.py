"""Runs other programs, and ends them when this process is ended by Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from chatload.cli.scenario_files import locust_arguments


def interrupt_on_sigterm() -> None:
    """From here on a SIGTERM does what Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run_load(arguments: Sequence[str], out: Path) -> int:
    """A run of Locust, in a process of its own; its exit code."""
    return run_to_end(locust_command([*arguments, "--out", str(out), "--loglevel", "WARNING"]))


def locust_command(arguments: Sequence[str]) -> list[str]:
    """The command line of a run; UsageError where its scenario or locustfile is not found.

    Without the working directory among its modules (-P), as Locust's own script.
    """
    return [sys.executable, "-P", "-m", "chatload.locust_start", *locust_arguments(arguments)]


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process by another program, which has its signals, terminal and exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], list(command))


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
