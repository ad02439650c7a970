"""The examples, run against the simulator, and what their journals hold."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, ROOT, turns_of, two_processes

pytestmark = pytest.mark.e2e
QUICK = ("--spawn-rate", "50", "--stop-timeout", "5")


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[str]]:
    """Two simulated servers of a model each."""
    processes, found = [], []
    for model in ("llama-3-8b", "llama-3-70b"):
        command = [sys.executable, "-u", "-m", "simulator", "--speak", "vllm", "--port-base", "0"]
        process = subprocess.Popen(
            [*command, "--model", model, "--answer-tokens", "12:3"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if "listening on" in line:
                found.append(line.split("listening on ")[1].split()[0])
            if "ready" in line:
                break
    yield found
    for process in processes:
        process.kill()
        process.wait(timeout=10)


def run(folder: Path, example: str, *arguments: str, quick: str = "") -> subprocess.CompletedProcess[str]:
    """Run an example; `quick` is put at its end, such as a shorter wait."""
    text = (ROOT / "examples" / example).read_text(encoding="utf-8")
    locustfile = folder / example
    locustfile.write_text(f"{text}\n{quick}\n", encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    return subprocess.run(
        [*command, "--out", str(folder / "run"), *QUICK, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def names(turns: list[dict[str, Any]]) -> Counter[str]:
    return Counter(turn.get("name", "") for turn in turns)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_shop_ends_with_its_shoppers_whatever_the_page_does(
    hosts: list[str], tmp_path: Path, processes: int
) -> None:
    over = two_processes() if processes == 2 else ()
    slo = ("--slo", "ask: p50 ttft_ms <= 5000")
    quick = "Shopper.wait_time = Api.wait_time = between(0.05, 0.1)"
    done = run(
        tmp_path, "shoe_shop.py", "--host", hosts[0], "-u", "8", "--turns", "3", *slo, *over, quick=quick
    )
    assert done.returncode in (*GOOD, 1), done.stderr
    turns = turns_of(tmp_path / "run")
    assert names(turns) == {"ask": 18}, "6 shoppers, 3 turns each"
    assert sorted(Counter(turn["user"] for turn in turns).values()) == [3] * 6
    assert {turn.get("code") for turn in turns} <= {None, "too_short"}
    assert "GET      /health" in done.stderr
    assert "6 users over 0.16 s, beside 2 others: 6 Shopper (3 turns, its own wait_time)" in done.stderr


def test_users_of_a_day_come_and_go_until_it_is_over(hosts: list[str], tmp_path: Path) -> None:
    quick = 'Day.steps = ((1, 2, 50), (2, 4, 50), (3, 1, 50))\nVisitor.think_time = "0.1"'
    done = run(tmp_path, "day_curve.py", "--host", hosts[0], quick=quick)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert set(names(turns)) == {"first", "then"}
    assert len({turn["user"] for turn in turns}) >= 4
    assert {turn.get("code") for turn in turns} <= {None, "interrupted"}


def test_two_models_are_kept_apart_everywhere(hosts: list[str], tmp_path: Path) -> None:
    quick = f'Small.host, Large.host = "{hosts[0]}", "{hosts[1]}"'
    done = run(tmp_path, "two_models.py", "-u", "4", "--turns", "2", "--think-time", "0.1", quick=quick)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert names(turns) == {"Small/ask": 4, "Large/ask": 4}
    assert all(turn["ok"] for turn in turns), "each model is known to its own server only"
