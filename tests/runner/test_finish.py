"""What is said and written at the end of a run, of recorded runs."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.summary import summarise
from chatload.loads.plan import Plan
from chatload.model.journal_lines import FORMAT
from chatload.model.program import program
from chatload.model.verdict import CapacityResult, LevelResult, SloVerdict
from chatload.render.markdown import summary_markdown
from chatload.render.text import report_text
from chatload.runner.finish import Draw, _shortened, finish
from chatload.store.journal import read_run
from tests.plans import plan_of
from tests.runner.fake_locust import HOST
from tests.runs_builder import HERE, Shape, write_good

CHAT = {"host": HOST, "num_users": 20, "turns": "5"}


def finished(folder: Path, plan: Plan, draw: Draw = lambda _: nullcontext(tuple)) -> tuple[int, list[str]]:
    """(exit code, what was said)."""
    said: list[str] = []
    return finish(folder, plan, said.append, draw), said


def run_of(tmp_path: Path, plan: Plan) -> Path:
    """A good run of 20 users and 5 turns each, TTFT about 120 ms, of this plan."""
    return write_good(tmp_path / "run", Shape(), format=FORMAT, plan=msgspec.to_builtins(plan))


def recorded(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / name, tmp_path / name))


def test_a_good_run_leaves_its_summary_and_report_and_says_the_verdict(tmp_path: Path) -> None:
    folder = recorded("vllm", tmp_path)
    code, said = finished(folder, plan_of("chat", CHAT))
    assert code == 0
    assert {"summary.json", "report.html"} <= {path.name for path in folder.iterdir()}
    assert "100 of 100 turns good" in said[0]
    assert said[-2] == f"chatload: open in a browser: {folder / 'report.html'}"
    assert said[-1] == f"chatload: more: {program()} report {folder}"
    doubts = summarise(read_run(folder)).warnings
    assert [words.startswith("chatload: warning: ") for words in said[1:-2]] == [True] * min(3, len(doubts))


def test_a_long_warning_ends_with_a_sentence_or_a_word() -> None:
    assert _shortened("one two") == "one two"
    assert _shortened(f"{'a' * 120}. {'b ' * 60}") == f"{'a' * 120}."
    assert _shortened("word " * 60) == f"{'word ' * 39}word …"


def test_the_worst_warnings_are_said_and_how_many_the_report_has_beside_them(tmp_path: Path) -> None:
    folder = recorded("troubled", tmp_path)
    _, said = finished(folder, plan_of("chat", CHAT))
    told = [words for words in said if words.startswith("chatload: warning: ")]
    run = read_run(folder)
    met = [*run.manifest.problems, *run.manifest.warnings]
    assert met, "said when they were met, and not again"
    doubts = [words for words in summarise(run).warnings if "was stopped" not in words and words not in met]
    assert len(doubts) > 3
    assert [words[19:62] for words in told] == [words[:43] for words in doubts[:3]]
    assert f"chatload: {len(doubts) - 3} more warnings in the report" in said
    assert max(map(len, told)) <= 219


def test_a_run_without_a_turn_has_no_verdict_and_the_code_of_its_end(tmp_path: Path) -> None:
    def draw(folder: Path) -> Any:
        raise AssertionError("nothing to draw")

    code, said = finished(recorded("unreachable", tmp_path), plan_of("chat", CHAT), draw)
    assert (code, said) == (1, []), "its cause was said when it was refused"


def test_why_a_run_is_not_good_is_said_with_its_code(tmp_path: Path) -> None:
    code, said = finished(recorded("troubled", tmp_path), plan_of("chat", CHAT))
    assert code == 4
    (told,) = [words for words in said if "stopped" in words]
    assert told.startswith("chatload: exit code 4: It was stopped before its plan was done")


@pytest.mark.parametrize(("limit", "code", "words"), [(1, 3, "missed"), (5000, 0, "met")])
def test_each_slo_is_said_and_a_missed_one_is_the_exit_code(
    tmp_path: Path, limit: int, code: int, words: str
) -> None:
    values: dict[str, Any] = {**CHAT, "slo": f"p50 ttft_ms <= {limit}", "allow_failed": "0%"}
    plan = plan_of("chat", values)
    folder = run_of(tmp_path, plan)
    found, said = finished(folder, plan)
    assert found == code
    (slo,) = [line for line in said if line.startswith("chatload: SLO ")]
    assert words in slo


SLO = SloVerdict("p95 ttft_ms <= 500", "met", "ttft_ms", 120.0, (100.0, 140.0), 50, 8)
GENERATOR = "the load generator was the limit"
GONE = "the server is gone"
WITHIN = "within the SLOs"
TRIED = {
    "known": ({26: True, 27: False}, 26, "", 0, f"26 chat users {WITHIN}; no interval"),
    "one": ({1: True, 2: False}, 1, "", 0, f"1 chat user {WITHIN};"),
    "all passed": ({16: True, 32: True}, 32, "", 0, f"at least 32 chat users {WITHIN}, stopped at --most;"),
    "generator": ({8: True, 16: False}, 8, GENERATOR, 0, f"at least 8 chat users {WITHIN}, stopped early;"),
    "generator at once": (
        {8: False},
        0,
        GENERATOR,
        4,
        "not found, it stopped early; the levels measured: none.",
    ),
    "none": ({8: False, 1: False}, 0, "", 3, f"none, not even 1 chat user {WITHIN};"),
    "gone": ({8: True}, 8, GONE, 1, f"at least 8 chat users {WITHIN}, stopped early;"),
    "gone at once": ({}, 0, GONE, 1, "not found, it stopped early;"),
    "not ended": (
        {8: True},
        None,
        "",
        4,
        "not found, the run ended before the search; the levels measured: SLOs met with 8 chat users.",
    ),
}
"""Levels and whether they passed, the number found, why it stopped, exit code, answer."""


@pytest.mark.parametrize("name", TRIED)
def test_the_answer_of_a_search_is_the_first_of_the_last_words_the_headline_and_the_exit_code(
    name: str, tmp_path: Path
) -> None:
    passed, users, stopped, code, answer = TRIED[name]
    words = f"Capacity: {answer}"
    levels = [
        LevelResult(users=n, verdict="undecided", passed=ok, turns=50, slo=[SLO], groups=[f"{n} users"])
        for n, ok in passed.items()
    ]
    found = CapacityResult(levels=levels, users=users, stopped=stopped, server_gone=stopped == GONE)
    plan = plan_of("capacity", {**CHAT, "num_users": 1, "slo": "p95 ttft_ms <= 500"})
    folder = write_good(
        tmp_path / "run",
        Shape(),
        format=FORMAT,
        plan=msgspec.to_builtins(plan),
        capacity=msgspec.to_builtins(found),
        ended="done",
    )
    exit_code, said = finished(folder, plan)
    assert exit_code == code
    last = said[0]
    assert last.startswith(f"chatload: {words}")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f'<h1 class="verdict">{words}' in page
    assert (stopped in last) if stopped else ("Stopped early" not in last)
    run = read_run(folder)
    assert report_text(run, summarise(run)).startswith(words[:60])
    assert words.rstrip(";") in summary_markdown(run, summarise(run)).replace("\\", "")


def test_a_capacity_search_s_slos_are_not_asked_of_the_whole_run(tmp_path: Path) -> None:
    plan = plan_of("capacity", {**CHAT, "num_users": 1, "slo": "p50 ttft_ms <= 1"})
    folder = run_of(tmp_path, plan)
    _, said = finished(folder, plan)
    assert not any(line.startswith("chatload: SLO ") for line in said)
