"""Processes for tests of the whole suite: the simulator and Locust, each on its own."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]

GOOD, FAILED = (0, 4), (1, 4)
"""Exit codes of a good run and of one with failed turns. 4 outranks both: on a machine that is busy with other
things the generator was held up, and says so; that is its own tests' matter."""


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session collects garbage and freezes the rest before its run: in a process of tests that is 0.2 s each."""
    for name in ("collect", "freeze"):
        monkeypatch.setattr(gc, name, lambda *_: 0)


@pytest.fixture
def vllm(tmp_path: Path) -> Iterator[Any]:
    """Start the simulated vLLM with faults; gives address, truth log and process."""
    processes = []

    def start(*arguments: str, port: int = 0) -> tuple[str, Path, subprocess.Popen[str]]:
        truth = tmp_path / f"truth-{len(processes)}.jsonl"
        command = [sys.executable, "-u", "-m", "simulator", "--speak", "vllm", "--port-base", str(port)]
        process = subprocess.Popen(
            [*command, "--truth", str(truth), "--answer-tokens", "12:3", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        host = ""
        assert process.stdout is not None
        for line in process.stdout:
            if "listening on" in line:
                host = line.split("listening on ")[1].split()[0]
            if "ready" in line:
                break
        return host, truth, process

    yield start
    for process in processes:
        process.kill()
        process.wait(timeout=10)


def locust(*arguments: str, limit_s: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the chat locustfile headless in its own process, from the root of the repository."""
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--only-summary"]
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def two_processes() -> tuple[str, ...]:
    """Arguments of a run over two processes, on a master port of its own: no other test's workers may join."""
    port = str(free_port())
    return ("--processes", "2", "--master-port", port, "--master-bind-port", port)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON lines file; a torn tail is left out."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def turns_of(folder: Path) -> list[dict[str, Any]]:
    """The turn lines of all journals of a run folder, in order, each turn once."""
    turns = {
        line["turn_id"]: line
        for path in sorted(folder.glob("journal-*.jsonl"))
        for line in read_lines(path)
        if line["kind"] == "turn"
    }
    return sorted(turns.values(), key=lambda turn: (turn["due_ns"], turn["turn_id"]))
