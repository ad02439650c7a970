"""Runs a scenario with Locust in a process of its own, into a run folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.simulated_server import ROOT


@dataclass(frozen=True, slots=True)
class Load:
    """A scenario and further arguments. `expected_s`: about how long it takes."""

    name: str
    scenario: str
    arguments: tuple[str, ...] = ()
    expected_s: float = 10.0

    def command(self, host: str) -> str:
        """The command line for this load, for a page."""
        return " ".join(
            ["locust", "--config", f"scenarios/{self.scenario}.toml", *self.arguments, "--host", host]
        )


class LoadError(Exception):
    """Locust left no run folder."""


def run_load(load: Load, host: str, out: Path, label: str, more: Sequence[str] = ()) -> int:
    """Run it and return Locust's exit code; its output goes to `out`.log."""
    command = [sys.executable, "-m", "locust", "--config", f"scenarios/{load.scenario}.toml"]
    command += [*load.arguments, *more, "--host", host, "--out", str(out), "--label", label]
    command += ["--keep-text", "none", "--loglevel", "WARNING"]
    log = log_of(out)
    with open(log, "w", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            env=os.environ | {"TERM": "dumb"},
        )
    if not (out / "manifest.json").exists():
        raise LoadError(
            f"{load.name}: locust ended with {done.returncode}: {log.read_text(encoding='utf-8')[-2000:]}"
        )
    return done.returncode


def log_of(out: Path) -> Path:
    """The file that Locust's output for a run folder goes to."""
    return out.with_name(out.name + ".log")


def last_line(out: Path) -> str:
    """The newest line of a load's output."""
    try:
        lines = log_of(out).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    lines = [line for line in lines if line.strip()]
    return lines[-1].removeprefix("chatload: ") if lines else ""
