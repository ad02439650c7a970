"""The benchmark of the live page: its sums, and a small run of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatload.certify.client_errors import ClientAnswer, ServerAnswer
from lab.benchmarks.harness import Cost
from lab.benchmarks.live_page import PageRun, extra_percent, page_run, table
from lab.benchmarks.page_viewer import CLIENT, HEADLESS, NO_PAGE, VIEWERS

MS, SECOND = 1_000_000, 1_000_000_000
ROOT = Path(__file__).parents[3]


def one(cpu_percent: float) -> PageRun:
    return PageRun(20.0, 9, cpu_percent, 0.01, 0.03, 0.1, 0)


def test_cpu_and_errors_are_of_the_time_in_which_all_were_in() -> None:
    tokens = tuple(k * 100 * MS for k in range(1, 6))
    truth = {str(n): ServerAnswer(n * SECOND, tuple(n * SECOND + at for at in tokens)) for n in range(6)}
    recorded = {
        name: ClientAnswer(true.received_ns, true.tokens_sent_ns[0] + MS, true.tokens_sent_ns[-1] + MS, 4)
        for name, true in truth.items()
    }
    row = page_run(recorded, truth, Cost([(-SECOND, 0, 5), (9 * SECOND, 5 * SECOND, 5)]), 1, 7)
    assert (row.cpu_percent, row.requests, row.marked) == (pytest.approx(50), 7, 0)
    assert (row.ttft_ms_p50, row.ttft_max_ms) == (pytest.approx(1), pytest.approx(1))
    assert row.turns_per_s == pytest.approx(5 / 4.5)
    with pytest.raises(SystemExit, match="too few"):
        page_run(recorded, truth, Cost([(0, 0, 0)]), 3, 0)


def test_an_open_page_is_compared_with_no_page_round_by_round() -> None:
    rows = {HEADLESS: [one(5.0)] * 2, NO_PAGE: [one(6.0), one(8.0)], CLIENT: [one(7.5), one(8.5)]}
    assert extra_percent(rows, CLIENT) == [1.5, 0.5]
    lines = table(rows).splitlines()
    assert lines[3].startswith(f"| {VIEWERS[NO_PAGE]} (2) |")
    assert lines[3].endswith("| – |")
    assert lines[4].endswith("| +1.0 (+0.5–+1.5) |")


@pytest.mark.e2e
def test_a_small_run_with_the_page_open() -> None:
    words = ["--users", "4", "--turns", "3", "--think", "0.1", "--repeat", "1", "--viewers", CLIENT]
    done = subprocess.run(
        [sys.executable, "-m", "lab.benchmarks.live_page", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    asked = int(done.stderr.partition("asked ")[2].split()[0])
    assert asked > 5
    assert VIEWERS[CLIENT] in done.stdout
