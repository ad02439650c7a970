"""One load: Locust as a person would start it, in a process of its own, into a run folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.simulated_server import ROOT

SPOILT = 4
"""Locust's exit code when the measurement is not trustworthy; the others are told by the report."""


@dataclass(frozen=True, slots=True)
class Load:
    """A scenario with what is changed of it. `expected_s`: about how long it takes."""

    name: str
    scenario: str
    arguments: tuple[str, ...] = ()
    expected_s: float = 10.0

    def command(self, host: str) -> str:
        """What a person types for this load."""
        return " ".join(
            ["locust", "--config", f"scenarios/{self.scenario}.toml", *self.arguments, "--host", host]
        )


class LoadError(Exception):
    """A load that left no run folder."""


def run_load(load: Load, host: str, out: Path, label: str, more: Sequence[str] = ()) -> int:
    """Run it and return Locust's exit code; its words go to `out`.log."""
    command = [
        sys.executable, "-m", "locust", "--config", f"scenarios/{load.scenario}.toml", *load.arguments, *more,
        "--host", host, "--out", str(out), "--label", label, "--keep-text", "none", "--loglevel", "WARNING",
    ]  # fmt: skip
    log = words_of(out)
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


def words_of(out: Path) -> Path:
    """Where Locust's words of a run folder go."""
    return out.with_name(out.name + ".log")


def last_words(out: Path) -> str:
    """The newest line of a load's words, for somebody who waits."""
    try:
        lines = words_of(out).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    told = [line for line in lines if line.strip()]
    return told[-1].removeprefix("chatload: ") if told else ""
