"""A small part of the study, with fixed seeds: intervals hold the truth, alike runs do not differ."""

from __future__ import annotations

import random
from functools import cache

import pytest

from chatload.analysis.window import Window, all_users_in, whole_run
from chatload.model.turn import Turn
from lab.calibration.replay import Target
from lab.coverage.cases import CASES, Case
from lab.coverage.figures import Measured, measure
from lab.coverage.gates import DISTANCES, gates
from lab.coverage.intervals import cells, failed_shares
from lab.coverage.loads import Arrivals, Chat, slower
from lab.coverage.verdicts import alternated, checked, compared, run_figures, said
from simulator.engine.step_cost import Cost
from tests.long import size

BATCH = Case(
    "batch30", "30 users whose tokens come more slowly the more of them there are",
    Target("vllm-v1@demo", {"max_num_seqs": 24}, Cost(20, 600, 50, 8, 60)), Chat(users=30),
)  # fmt: skip
RUNS = size(120, 16)
pytestmark = pytest.mark.together("batch")
"""tests/analysis/test_effects.py has the same runs."""


@cache
def played(seed: int, factor: float = 1.0) -> list[Turn]:
    """A run of BATCH, made once; nobody changes it."""
    return BATCH.play(seed, factor)


@pytest.fixture(scope="module")
def runs() -> list[Measured]:
    return [measure(BATCH, played(seed)) for seed in range(RUNS)]


def test_intervals_hold_the_truth(runs: list[Measured]) -> None:
    """Independent turns would give intervals that hold the TPOT in about half of them."""
    found = cells(runs)
    for figure in ("TTFT p50", "TTFT p90", "felt p50", "TPOT p50", "system tokens/s"):
        assert found[figure].held >= 0.85, (figure, found[figure])
    assert found["TPOT p50"].half_width < 0.05, "they are not wide for nothing"  # type: ignore[operator]
    assert found["TTFT p95"].held >= 0.8


def test_failures_in_a_queue_are_counted_with_their_queue(runs: list[Measured]) -> None:
    found = failed_shares(runs)
    assert found["one by one"].truth == pytest.approx(0.02, abs=0.005)
    assert all(one.held >= 0.85 for one in found.values())


def test_alike_runs_do_not_differ_and_slower_servers_do(runs: list[Measured]) -> None:
    figures = run_figures(runs)
    slow = run_figures([measure(BATCH, played(seed, 1.25)) for seed in range(size(8, 4))])
    for rule, sizes in ((compared, (1, 1)), (checked, (1, 1)), (checked, (4, 1)), (alternated, (3, 3))):
        assert said(rule, figures, figures, sizes, tries=40) <= 0.05, rule
        assert said(rule, figures, slow, sizes, tries=20) >= 0.9, rule


def test_a_gate_far_from_the_truth_is_right_and_sure(runs: list[Measured]) -> None:
    found = dict(zip(DISTANCES, gates(runs, "TPOT p50"), strict=True))
    for distance in (-0.3, 0.3):
        assert (found[distance].wrong, found[distance].unsure) == (0.0, 0.0)
    near = dict(zip(DISTANCES, gates(runs, "TTFT p50"), strict=True))
    assert near[0.03].unsure > 0.5 and near[0.03].wrong_and_sure <= 0.05


def test_a_slower_server_is_slower_by_that_factor() -> None:
    target = CASES["demo100"].server  # type: ignore[union-attr]
    one = Chat(users=1, turns=1)
    quick, slow = (t.playback() for t in (target, slower(target, 1.1)))
    (a,), (b,) = one.play(quick, random.Random(1)), one.play(slow, random.Random(1))
    assert b.end_ns - b.due_ns == pytest.approx(1.1 * (a.end_ns - a.due_ns), rel=1e-6)


def test_the_window_is_while_all_users_are_in() -> None:
    turns = played(1)
    window = all_users_in(turns)
    assert window is not None
    assert window.from_ns == max(turn.due_ns for turn in turns if turn.turn == 1) == 2_900_000_000
    assert window.until_ns == min(turn.end_ns for turn in turns if turn.turn == 10)
    assert all(window.from_ns <= turn.due_ns <= window.until_ns for turn in window.turns(turns))


def test_an_open_loop_has_no_such_window() -> None:
    load = Arrivals(50, 10.0)
    turns = load.play(CASES["open17"].server.playback(), random.Random(2))  # type: ignore[union-attr]
    dues = sorted(turn.due_ns for turn in turns)
    assert all_users_in(turns) is None
    assert whole_run(turns) == Window(dues[0], dues[-1])
    assert whole_run([]) is None


def test_every_case_plays() -> None:
    for name, case in CASES.items():
        if name in ("demo10", "level8v", "goodput30", "edge30"):
            turns = case.play(1)
            assert case.window(turns) is not None and all(turn.ok and turn.tokens for turn in turns), name
