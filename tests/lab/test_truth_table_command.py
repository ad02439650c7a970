"""The published truth table: its score, its files, and its commands against a client that makes the usual mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lab.truth_table.__main__ import main
from lab.truth_table.case import Case, Truth
from lab.truth_table.run_client import Limits, verdicts
from lab.truth_table.score import FIGURES, Verdict, verdict
from lab.truth_table.tables import TABLES

CASES = {case.slug: case for case in TABLES["openai"]}
GOOD = CASES["role-event-first"]
FAILED = CASES["error-then-done-under-200"]
EITHER = CASES["gzip-that-nobody-asked-for"]
RIGHT = {"ok": True, "tokens": 20, "ttft_ms": 200.0, "ttfa_ms": 200.0, "tpot_ms": 20.0, "e2e_ms": 580.0}


def test_every_case_has_a_path_of_its_own() -> None:
    for cases in TABLES.values():
        assert len({case.slug for case in cases}) == len(cases)


@pytest.mark.parametrize("key", FIGURES)
def test_a_figure_is_wrong_beyond_the_tolerance_only(key: str) -> None:
    allowed = 0 if key == "tokens" else 5
    assert not verdict(GOOD, RIGHT | {key: getattr(GOOD.truth, key) + allowed}, 5.0).wrong
    (words,) = verdict(GOOD, RIGHT | {key: getattr(GOOD.truth, key) + allowed + 1}, 5.0).wrong
    assert words.startswith(key)
    assert verdict(GOOD, {one: value for one, value in RIGHT.items() if one != key}, 5.0) == Verdict(
        (), (key,)
    )


def test_the_server_s_lateness_is_not_the_client_s() -> None:
    late = RIGHT | {"ttft_ms": 212.0, "ttfa_ms": 212.0, "e2e_ms": 592.0}
    assert not verdict(GOOD, late, 5.0, late_ms=8.0).wrong
    assert len(verdict(GOOD, late, 5.0).wrong) == 3
    assert verdict(GOOD, RIGHT | {"tpot_ms": 28.0}, 5.0, late_ms=8.0).wrong
    assert not verdict(GOOD, RIGHT | {"tpot_ms": 28.0}, 5.0, late_ms=380.0).wrong, (
        "20 ms of it are one token's"
    )
    early = RIGHT | {"ttft_ms": 194.0, "e2e_ms": 572.0}
    assert len(verdict(GOOD, early, 5.0, late_ms=8.0).wrong) == 2, "lateness makes no time shorter"


def test_a_failed_reply_must_not_be_good_and_a_good_one_not_failed() -> None:
    bad = {"ok": False, "error": "engine died"}
    assert verdict(FAILED, bad, 5.0) == Verdict()
    assert verdict(FAILED, RIGHT, 5.0).wrong
    assert verdict(GOOD, bad, 5.0).wrong == ("failed: engine died",)
    assert verdict(EITHER, bad, 5.0) == verdict(EITHER, RIGHT, 5.0) == Verdict()
    assert verdict(EITHER, RIGHT | {"tokens": 0}, 5.0).wrong
    assert verdict(GOOD, {"error": "no JSON"}, 5.0) == Verdict(untold=("ok",))


def test_an_estimated_tpot_may_be_off_by_8_percent() -> None:
    case = Case("x", (), Truth(tpot_ms=100.0, estimated=True))
    assert not verdict(case, RIGHT | {"tpot_ms": 107.0}, 1.0).wrong
    assert verdict(case, RIGHT | {"tpot_ms": 109.0}, 1.0).wrong


def test_cases_are_exported_with_bytes_times_and_truth(tmp_path: Path) -> None:
    assert main(["export", str(tmp_path)]) == 0
    assert {path.stem for path in tmp_path.iterdir()} == set(CASES)
    told = json.loads((tmp_path / "role-event-first.json").read_text())
    assert told["truth"] == RIGHT
    assert [(step["at_ms"], step["data"].encode("latin-1")) for step in told["steps"]] == list(GOOD.steps)
    failed = json.loads((tmp_path / "a-redirect.json").read_text())
    assert failed["truth"]["ok"] is False and failed["framing"] == "raw"


def test_a_mistake_in_the_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nothing", "list"]) == 2
    assert "no case of openai" in capsys.readouterr().err
    assert main(["run"]) == 2


@pytest.mark.e2e
def test_a_client_is_measured_case_by_case() -> None:
    command = [sys.executable, "-m", "lab.truth_table.plain_client"]
    chosen = [GOOD, CASES["429"], CASES["a-json-error-as-the-body-of-a-200"]]
    found = {case.slug: found for case, found, _ in verdicts(chosen, command, Limits(tries=1))}
    assert any(words.startswith("ttft_ms ") for words in found["role-event-first"].wrong)
    assert any(words == "tokens 23 for 20" for words in found["role-event-first"].wrong)
    assert found["429"] == Verdict()
    assert found["a-json-error-as-the-body-of-a-200"].wrong


@pytest.mark.e2e
def test_a_client_that_tells_nothing_is_not_right() -> None:
    ((_, found, told),) = verdicts([GOOD], [sys.executable, "-c", "print('hello')"], Limits(tries=1))
    assert found == Verdict(untold=("ok",))
    assert "no JSON" in str(told["error"])
