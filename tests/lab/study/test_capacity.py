"""The capacity search finds what is there: against truths in virtual time, and once over HTTP."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatload.analysis.growth import Growth, with_growth
from chatload.analysis.slo_verdict import level_verdict
from lab.simulated_server import ROOT, simulated
from lab.study.capacity import ended_early, search, true_capacity
from lab.study.capacity_cases import (
    ARRIVING,
    OVER_HTTP,
    SEARCH_CASES,
    SIMULATED,
    WITH_HISTORY,
    SearchCase,
    options,
)
from lab.study.capacity_level import window, window_and_growth
from tests.long import size

KNOWN = {SEARCH_CASES[0].name: 40, SEARCH_CASES[2].name: 44, SEARCH_CASES[4].name: 35}
"""Truths over three quarters of an hour: `python -m lab.study.capacity`."""


@pytest.mark.parametrize(
    "case", [SEARCH_CASES[number] for number in size((0, 2, 4), (4,))], ids=lambda case: case.name
)
def test_the_search_is_within_a_tenth_of_the_truth_and_the_interval_holds_it(case: SearchCase) -> None:
    known = KNOWN[case.name]
    assert abs(true_capacity(case, known - 3, known + 3, size(300.0, 100.0)) - known) <= size(1, 2)
    for seed in range(size(4, 1)):
        searched = search(case, seed)
        assert abs(searched.found.users / known - 1) <= 0.1, (seed, searched)
        assert searched.covers(known), (seed, searched)
        assert searched.windows < 40


ARRIVING_KNOWN = 62
"""Conversations a minute, over 25 minutes each: 60 are met and do not grow, 65 grow and are missed."""


def test_a_window_sees_every_turn_of_a_conversation_alike() -> None:
    seen = Counter(turn.turn for turn in window(SEARCH_CASES[2], 40, "ages"))
    assert sorted(seen) == list(range(1, 11))
    assert max(seen.values()) < 2 * min(seen.values())


@pytest.mark.parametrize(("fails", "verdict"), [(False, "met"), (True, "missed")])
def test_turns_that_do_not_fit_the_context_decide_only_where_they_are_failures(
    fails: bool, verdict: str
) -> None:
    case = dataclasses.replace(WITH_HISTORY, context=600, fails=fails)
    turns = window(case, 4, "a window")
    refused = [turn for turn in turns if turn.code == "context_full"]
    assert len(refused) > 0.05 * len(turns) and all(turn.not_held > 0 for turn in refused) != fails
    assert level_verdict(turns, case.objectives)[0] == verdict


@pytest.mark.parametrize(
    ("context", "early", "verdicts"),
    [
        (0, 0.0, ["met", "missed"]),
        (1400, 0.04, ["met", "missed"]),  # few conversations end early: the same users
        (600, 1.0, ["met", "met"]),  # all do: shorter conversations, which reserve less, so more users
    ],
)
def test_a_limit_that_rarely_bites_moves_no_capacity(context: int, early: float, verdicts: list[str]) -> None:
    """Without a limit 14 users are surely within the SLOs and 26 surely not (the truth is 18)."""
    case = dataclasses.replace(WITH_HISTORY, context=context)
    for users, verdict in zip((14, 26), verdicts, strict=True):
        windows = [window(case, users, f"row {number}") for number in range(2)]
        pooled = [replace(turn, group=str(n)) for n, turns in enumerate(windows) for turn in turns]
        assert level_verdict(pooled, case.objectives)[:2] == (verdict, True), (context, users)
        assert ended_early(pooled, 10) == pytest.approx(early, abs=0.04)


def test_windows_of_a_rate_that_a_server_does_not_keep_up_with_are_not_met() -> None:
    """Each short window of the unstable queue meets the lax SLO; together they show that users pile up."""
    for rate, verdict in ((ARRIVING_KNOWN * 2 // 3, "met"), (ARRIVING_KNOWN * 4 // 3, "missed")):
        grown = Growth()
        for number in range(3):
            turns, more = window_and_growth(ARRIVING, rate, f"window {number}", took_s=1.2)
            grown += more
            assert level_verdict(turns, ARRIVING.objectives)[0] == "met", rate
        assert with_growth("met", True, grown)[0] == verdict, (rate, grown)


def test_a_search_in_arrivals_finds_the_rate_and_one_that_sees_no_growth_does_not() -> None:
    for seed in range(size(4, 0)):
        seeing, blind = search(ARRIVING, seed), search(ARRIVING, seed, sees_growth=False)
        assert 0.75 <= seeing.found.users / ARRIVING_KNOWN <= 1.15, (seed, seeing)
        assert seeing.covers(ARRIVING_KNOWN), (seed, seeing)
        assert blind.found.users > 1.15 * ARRIVING_KNOWN, (seed, blind)


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
