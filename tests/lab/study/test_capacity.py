"""The capacity search finds what is there: against truths in virtual time, and once over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lab.simulated_server import ROOT, simulated
from lab.study.capacity import (
    OVER_HTTP,
    SEARCH_CASES,
    SIMULATED,
    SearchCase,
    options,
    search,
    true_capacity,
    window,
)
from tests.long import size

KNOWN = {SEARCH_CASES[0].name: 40, SEARCH_CASES[2].name: 44, SEARCH_CASES[4].name: 35}
"""Truths over three quarters of an hour: `python -m lab.study.capacity`."""


@pytest.mark.parametrize(
    "case", [SEARCH_CASES[0], SEARCH_CASES[2], SEARCH_CASES[4]], ids=lambda case: case.name
)
def test_the_search_is_within_a_tenth_of_the_truth_and_the_interval_holds_it(case: SearchCase) -> None:
    known = KNOWN[case.name]
    assert abs(true_capacity(case, known - 3, known + 3, size(300.0, 100.0)) - known) <= size(1, 2)
    for seed in range(size(4, 1)):
        searched = search(case, seed)
        assert abs(searched.found.users / known - 1) <= 0.1, (seed, searched)
        assert searched.covers(known), (seed, searched)
        assert searched.windows < 40


def test_a_window_sees_every_turn_of_a_conversation_alike() -> None:
    seen = Counter(turn.turn for turn in window(SEARCH_CASES[2], 40, "ages"))
    assert sorted(seen) == list(range(1, 11))
    assert max(seen.values()) < 2 * min(seen.values())


@pytest.mark.e2e
@pytest.mark.skipif(os.environ.get("CHATLOAD_CAPACITY") != "1", reason="a minute long: make capacity-check")
def test_over_http_it_finds_the_capacity_of_the_same_server_in_virtual_time(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with simulated("vllm", SIMULATED, tmp_path / "server") as server:
        subprocess.run(
            [sys.executable, "-m", "locust", "-f", "locustfiles/capacity.py", "--headless", "--only-summary",
             "--host", server.host, "--out", str(out), "--slo", OVER_HTTP.slo, *options(OVER_HTTP.load)],
            cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
    found = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["capacity"]
    truth = true_capacity(OVER_HTTP, 15, 45, 300.0)
    assert abs(found["users"] / truth - 1) <= 0.1, (truth, found)
    low, high = found["interval"]
    assert (low or 0) <= truth <= (high or truth)
    assert all(row["windows"] == len(row["groups"]) for row in found["levels"])
