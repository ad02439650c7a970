"""Reports as a reader sees them: golden files (`make golden` writes them anew), 80 columns, nothing hostile."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from chatload.analysis.summary import summarise
from chatload.model.sanitize import columns
from chatload.model.summary import Summary
from chatload.render.run_verdict import answer, verdict_of_turns
from chatload.render.side_by_side import SideBySide, side_by_side_text
from chatload.render.text import report_text
from chatload.render.text_table import fit
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, user_lines, write_run

GOLDEN = Path(__file__).parents[1] / "golden"
SINGLE = ("vllm", "tgi", "tiny", "steady", "troubled", "unreachable")
TOGETHER = (
    ("vllm", "tgi"),
    ("steady", "slower"),
    ("vllm", "troubled"),
    ("vllm", "tgi", "troubled", "tiny", "unreachable"),
)


@cache
def run_named(name: str) -> Run:
    """A fixture, its folder called by its name alone: no path of this machine may get into a golden file."""
    return replace(read_run(HERE / name), folder=Path(name))


@cache
def summary_of(name: str) -> Summary:
    return summarise(run_named(name))


def text_of(names: tuple[str, ...]) -> str:
    runs = [run_named(name) for name in names]
    summaries = [summary_of(name) for name in names]
    return report_text(runs[0], summaries[0]) if len(runs) == 1 else side_by_side_text(runs, summaries)


@pytest.mark.parametrize("names", [*((name,) for name in SINGLE), *TOGETHER], ids="-".join)
def test_golden(names: tuple[str, ...]) -> None:
    path = GOLDEN / f"report-{'-'.join(names)}.txt"
    text = text_of(names)
    if os.environ.get("CHATLOAD_GOLDEN") == "update":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "run `make golden` if this is meant, and read its diff"


@pytest.mark.parametrize("names", [*((name,) for name in SINGLE), *TOGETHER], ids="-".join)
def test_fits_80_columns_and_hides_nothing(names: tuple[str, ...]) -> None:
    for line in text_of(names).split("\n"):
        assert columns(line) <= 80, line
        assert line == line.rstrip()
        assert not {c for c in line if unicodedata.category(c) in ("Cc", "Cf")}


@pytest.fixture
def narrow() -> Iterator[None]:
    yield
    fit(None)


@pytest.mark.parametrize("columns_there", [24, 40, 66, 120])
@pytest.mark.parametrize("names", [("troubled",), ("steady", "slower")], ids="-".join)
def test_fits_any_terminal(names: tuple[str, ...], columns_there: int, narrow: None) -> None:
    """No row is wider, and every figure of the table of 80 columns is there, unless a cell was cut."""
    figures = set(re.findall(r"(?<= )[\d.,]+(?= )", text_of(names)))
    fit(columns_there)
    text = text_of(names)
    assert [line for line in text.split("\n") if columns(line) > columns_there] == []
    if columns_there >= 66:
        assert figures - set(re.findall(r"[\d.,]+", text)) == set()
        assert "…" not in "".join(re.findall(r"^  (?:TTFT|felt).*$", text, re.MULTILINE)).replace(" … ", "")
    assert max(map(columns, text.split("\n"))) > columns_there - 12, "as wide as there is room"


def test_slow_servers_fit_too(tmp_path: Path) -> None:
    """TTFT of minutes, E2E of ten minutes."""
    shape = Shape(users=20, turns=10, ttft_ms=95_000.0, first_byte_ms=80_000.0, gap_ms=70_000.0, tokens=8)
    runs = [made(tmp_path, replace(shape, seed=seed)) for seed in (1, 2)]
    summaries = [summarise(run) for run in runs]
    for text in (report_text(runs[0], summaries[0]), side_by_side_text(runs, summaries)):
        assert [line for line in text.split("\n") if columns(line) > 80] == []


def made(tmp_path: Path, shape: Shape, failed_every: int = 0) -> Run:
    """A run of the shape; every n-th turn failed."""
    turns = good_turns(shape)
    if failed_every:
        turns = [as_failed(t, "http_429", "no") if i % failed_every == 0 else t for i, t in enumerate(turns)]
    folder = tmp_path / f"run{shape.seed}-{failed_every}"
    return read_run(
        write_run(folder, manifest_of(shape, turns, label=f"S{shape.seed}"), turns, user_lines(turns))
    )


BASE = Shape(users=40, turns=10, tokens=6, ttft_ms=100.0, gap_ms=20.0)


def beside(*runs: Run) -> str:
    """What is said first of runs beside each other."""
    return " ".join(SideBySide(runs, [summarise(run) for run in runs]).verdict)


def test_each_later_run_is_compared_with_the_first(tmp_path: Path) -> None:
    slow = replace(BASE, ttft_ms=300.0, gap_ms=30.0)
    words = beside(*(made(tmp_path, one) for one in (BASE, replace(BASE, seed=2), replace(slow, seed=3))))
    assert words.startswith(
        "S2 against S1: cannot tell. S3 against S1: these two runs differ. Different: TTFT p50"
    )


def test_quick_by_refusing_is_not_better(tmp_path: Path) -> None:
    quick = made(tmp_path, BASE, failed_every=5)
    words = beside(made(tmp_path, replace(BASE, seed=2, ttft_ms=300.0)), quick)
    assert words.startswith("S1 against S2: these two runs differ.")
    assert words.endswith("failed turns.")


def test_too_few_turns_are_undecided(tmp_path: Path) -> None:
    few = replace(BASE, users=3, turns=3)
    words = beside(made(tmp_path, few), made(tmp_path, replace(few, seed=2, ttft_ms=900.0)))
    assert words == "S2 against S1: cannot tell."


def test_no_good_turn_is_no_comparison(tmp_path: Path) -> None:
    words = beside(made(tmp_path, BASE), made(tmp_path, replace(BASE, seed=2), failed_every=1))
    assert words == "S2 against S1: no comparison: S2 has no good turn. Different: failed turns."


def test_who_cannot_be_trusted_is_said_first(tmp_path: Path) -> None:
    turns = [
        replace(turn, marks=("late_send",), due_ns=turn.due_ns - 50_000_000) for turn in good_turns(BASE)
    ]
    run = read_run(write_run(tmp_path / "late", manifest_of(BASE, turns), turns, user_lines(turns)))
    assert beside(run_named("vllm"), run).startswith(
        "NOT TRUSTWORTHY: the measurement of late; its report says why."
    )


def test_what_was_not_alike_is_said() -> None:
    text = text_of(("vllm", "tiny"))
    assert "Not alike" in text
    for words in (
        "scenario (chat-100 against smoke)",
        "users: vllm '20', tiny '2'",
        "turns: vllm '5', tiny '3'",
    ):
        assert words in text


def test_verdict_of_one_run(tmp_path: Path) -> None:
    words = verdict_of_turns(summarise(made(tmp_path, BASE)))
    assert words.startswith("400 of 400 turns good; TTFT p95 ")
    assert " tokens/s (p50) with all users in; slowest reply " in words
    assert "; longest silence " in words


@pytest.mark.parametrize("share", [1, 2])
def test_replies_hung_up_on_as_planned_are_no_turns_that_were_not_held(tmp_path: Path, share: int) -> None:
    few = replace(BASE, users=2, turns=4)
    turns = [
        as_failed(turn, "abandoned", "hung up") if at % share == 0 else turn
        for at, turn in enumerate(good_turns(few))
    ]
    run = read_run(write_run(tmp_path, manifest_of(few, turns), turns))
    gone = len(turns) // share
    words = answer(run, summarise(run))
    assert words.startswith(f"{len(turns) - gone} of {len(turns) - gone} turns good")
    assert words.endswith(f"Hung up on as planned: {gone} replies.")


def test_too_few_turns_for_a_p50_have_no_p50_in_the_verdict(tmp_path: Path) -> None:
    words = verdict_of_turns(summarise(made(tmp_path, replace(BASE, users=1, turns=1))))
    assert words.startswith("1 of 1 turn good; TTFT at most ")
    assert "p50" not in words and "; slowest reply " in words


def test_what_the_load_generator_moves_is_listed_once(tmp_path: Path) -> None:
    turns = [
        replace(turn, marks=("late_send",), due_ns=turn.due_ns - 50_000_000) for turn in good_turns(BASE)
    ]
    run = read_run(write_run(tmp_path / "late", manifest_of(BASE, turns), turns, user_lines(turns)))
    found = summarise(run)
    assert found.validity.moved
    assert " ".join(report_text(run, found).split()).count(found.validity.moved[0]) == 1


def test_a_long_sample_is_cut(tmp_path: Path) -> None:
    run = made(tmp_path, replace(BASE, users=2, turns=1, text="line\n" * 100))
    assert "… 60 more lines" in report_text(run, summarise(run))


def test_parts_of_a_sweep_and_late_sends(tmp_path: Path) -> None:
    turns = [replace(turn, group=f"level {turn.turn}") for turn in good_turns(BASE)]
    turns[5] = replace(turns[5], due_ns=turns[5].due_ns - 10**9)
    manifest = manifest_of(BASE, turns, plan={"users": 1, "levels": [40] * 10, "rounds": 1})
    run = read_run(write_run(tmp_path, manifest, turns))
    text = report_text(run, summarise(run))
    assert "  level 10 " in text
    assert "TTFT from due" in text
    assert "conversation" not in text
    assert max(columns(line) for line in text.split("\n")) <= 80


def test_runs_under_another_load_get_no_verdict() -> None:
    words = beside(run_named("vllm"), run_named("tiny"))
    assert words.startswith("Not alike: users: vllm '20', tiny '2'. ")
    assert words.endswith(
        "no comparison: the runs were not made alike (mean answer tokens, turns, users, users per second)."
    )
