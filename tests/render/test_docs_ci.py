"""The examples of docs/ci.md do what they say: every chatload line is run, against a simulated server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatload.model.slo import read_objectives, slo_names
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
WORDS = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Lines of the YAML examples that are ours."""
    blocks = re.findall(r"```yaml\n(.*?)```", WORDS, re.DOTALL)
    found = re.findall(r"^ *- (?:run: )?(chatload .*)$", "\n".join(blocks), re.MULTILINE)
    return [str(line) for line in found]


GOOD = ("--speak", "fixed-rate", "--ttft-ms", "60", "--ttft-spread-ms", "40", "--tokens-per-s", "200")
SLOW = ("--speak", "fixed-rate", "--ttft-ms", "1100", "--tokens-per-s", "200", "--fault", "stall:0.1:2.5")


@contextmanager
def serving(tmp_path: Path, *options: str) -> Iterator[str]:
    """A simulated server, its address."""
    port = free_port()
    log = tmp_path / f"simulator-{port}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "simulator", *options, "--port-base", str(port)],
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        give_up = time.monotonic() + 20
        while b"simulator: ready" not in log.read_bytes() and time.monotonic() < give_up:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path, "--speak", "vllm") as address:
        yield address


def done(line: str, results: Path, address: str) -> subprocess.CompletedProcess[str]:
    """A line of the examples, its results/ elsewhere."""
    line = re.sub(r"^chatload ", f"{sys.executable} -m chatload ", line.replace("results/", f"{results}/"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", line],
        cwd=ROOT, env={**environment, "PATH": path, "LLM_HOST": address}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def busy(told: subprocess.CompletedProcess[str]) -> bool:
    """True where the load generator was held up, which is told."""
    words = told.stdout + told.stderr
    return "NOT TRUSTWORTHY" in words or "not to be trusted" in words


def check(told: subprocess.CompletedProcess[str], code: int) -> None:
    """The exit code of a line, unless the machine was too busy for the line to decide."""
    if not busy(told):
        assert told.returncode == code, f"{told.args}\n{told.stdout}\n{told.stderr}"


@pytest.mark.e2e
def test_every_line_of_the_examples_passes_a_good_server_and_stops_a_slow_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All runs side by side, with users that think for a shorter time; then the commands that read them."""
    monkeypatch.setenv("CHATLOAD_THINK_TIME", "0.05")
    found = commands()
    assert len(found) == 6
    runs = [line for line in found if line.startswith("chatload run ")]
    adds = next(line for line in found if "baseline add" in line)
    reads = [line for line in found if line not in (*runs, adds)]
    good, slow = tmp_path / "good", tmp_path / "slow"
    good.mkdir()
    slow.mkdir()
    with (
        serving(tmp_path, *GOOD) as good_one,
        serving(tmp_path, *SLOW) as slow_one,
        ThreadPoolExecutor(2 * len(runs)) as pool,
    ):
        passed = [pool.submit(done, line, good, good_one) for line in runs]
        stopped = [pool.submit(done, line, slow, slow_one) for line in runs]
    for one in passed:
        check(one.result(), 0)
    for one in stopped:
        check(one.result(), 3)
    assert (good / "smoke" / "summary.md").exists()
    assert (good / "gitlab" / "junit.xml").exists()
    check(done(adds, good, ""), 0)
    if (good / "baseline").exists():  # else the machine was too busy for a baseline
        (kept,) = (good / "baseline").glob("*/manifest.json")
        manifest = json.loads(kept.read_bytes())
        kept.write_text(json.dumps({**manifest, "run_id": "of another day"}), encoding="utf-8")
        shutil.copytree(good / "baseline", slow / "baseline")
    else:
        reads = [line for line in reads if "--baseline" not in line]
    for line in reads:
        check(done(line, good, ""), 0)
        check(done(line, slow, ""), 3)


@pytest.mark.e2e
def test_smoke_with_a_limit_50_times_under_exits_3(server: str, tmp_path: Path) -> None:
    line = 'chatload run smoke --host "$LLM_HOST" --out results/s --slo "p50 ttft_ms <= 1" --turns 2'
    told = done(line, tmp_path, server)
    assert told.returncode in (3, 4), told.stderr
    assert "SLO p50 ttft_ms <= 1: missed" in told.stderr


def test_every_form_in_the_docs_is_understood() -> None:
    forms = re.findall(r"^\| `([^`]+[<>]=[^`]+)` \|", WORDS, re.MULTILINE)
    assert len(forms) == 9
    assert read_objectives(forms)[1] == []
    listed = re.findall(r'^ +"(.*)",$', WORDS, re.MULTILINE)
    assert len(listed) == 5
    assert read_objectives(listed)[1] == []
    metrics = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [name for name in slo_names() if f"`{name}`" not in WORDS + metrics] == []


@pytest.mark.e2e
def test_a_missed_slo_of_a_scenario_exits_3_and_says_so_before_and_after(server: str, tmp_path: Path) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text(
        '[tool.locust]\nlocustfile = "locustfiles/chat.py"\nheadless = true\nusers = 10\nspawn-rate = 50\nturns = 1\n'
        'max-tokens = 4\nslo = ["p50 ttft_ms <= 0.001", "failed_share <= 60%"]\n',
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "locust", "--config", str(scenario), "--host", server, "--out", str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "GITHUB_ACTIONS": "true"},
    )  # fmt: skip
    assert done.returncode in (3, 4), done.stderr  # 4: a busy machine, which is told
    assert "To hold: p50 ttft_ms <= 0.001; failed_share <= 60%." in done.stderr
    assert "chatload: SLO p50 ttft_ms <= 0.001: missed" in done.stderr
    assert "::error title=SLO missed::p50 ttft_ms" in done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert [one["verdict"] for one in summary["slo"]] == ["missed", "met"]


@pytest.mark.e2e
def test_a_mistake_in_an_slo_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "locustfiles/chat.py",
        "--headless",
        "--host",
        "http://127.0.0.1:9",
    ]
    done = subprocess.run(
        [*command, "--slo", "p95 tft_ms <= 5", "--slo", "fast", "--out", str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("--slo")]
    assert lines[0] == "--slo 'p95 tft_ms <= 5': unknown metric, did you mean 'ttft_ms'?"
    assert len(lines) == 2
    assert not (tmp_path / "run").exists()
