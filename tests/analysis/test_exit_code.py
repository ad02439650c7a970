"""The exit code of a finished run by its SLOs, and the gravest of several."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.analysis.exit_code import code_of, gravest
from chatload.analysis.gate import gate
from chatload.analysis.summary import summarise
from chatload.store.journal import read_run
from tests.changes import replace
from tests.runs_builder import STEADY, as_failed, good_turns, manifest_of, user_lines, write_run


@pytest.mark.parametrize(
    ("slo", "sure", "failed", "code"),
    [
        ("p50 ttft_ms <= 500", True, 0, 0),
        ("p50 ttft_ms <= 125", False, 0, 0),
        ("p50 ttft_ms <= 125", True, 0, 5),
        ("p50 ttft_ms <= 50", True, 0, 3),
        ("p50 ttft_ms <= 125", True, 3, 1),
        ("failed_share <= 1%", True, 0, 5),
        ("max ttft_ms <= 9000", True, 0, 0),
    ],
)
def test_the_code_of_a_run(slo: str, sure: bool, failed: int, code: int, tmp_path: Path) -> None:
    turns = good_turns(STEADY)
    turns[:failed] = [as_failed(turn, "http_5xx", "") for turn in turns[:failed]]
    manifest = manifest_of(STEADY, turns)
    manifest["plan"] |= {"slo": [slo], "sure": sure}
    run = read_run(write_run(tmp_path / "run", manifest, turns, user_lines(turns)))
    summary = summarise(run)
    found, why = code_of(run, summary)
    assert found == gate(run, summary).code == code
    if code == 5:
        assert why == f"Not sure, as --sure asks: {slo}."


@pytest.mark.parametrize(
    ("slo", "code"), [("p95 ttft_ms <= 500", 4), ("p50 tpot_ms <= 50", 4), ("p50 reasoning_ms <= 50", 0)]
)
def test_an_slo_without_a_turn_to_judge_by_lets_nothing_through(slo: str, code: int, tmp_path: Path) -> None:
    silent = {
        "first_token_ns": None,
        "first_answer_ns": None,
        "last_token_ns": None,
        "tokens": 0,
        "gaps_us": (),
    }
    turns = [replace(turn, events=0, characters=0, **silent) for turn in good_turns(STEADY)]
    manifest = manifest_of(STEADY, turns)
    manifest["plan"] |= {"slo": [slo]}
    run = read_run(write_run(tmp_path / "run", manifest, turns, user_lines(turns)))
    summary = summarise(run)
    found, why = code_of(run, summary)
    assert found == gate(run, summary).code == code
    assert why == (f"No turn to judge by: {slo}." if code else "")


def test_unsure_is_outranked_by_everything_but_good() -> None:
    assert gravest([0, 5]) == 5
    assert [gravest([5, code]) for code in (1, 3, 4, 2)] == [1, 3, 4, 2]
