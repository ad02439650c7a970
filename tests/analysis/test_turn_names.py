"""Turns with names: rows of every report, and SLOs of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatload import __version__
from chatload.analysis.completeness import shortcomings
from chatload.analysis.exit_code import code_of
from chatload.analysis.gate import gate
from chatload.analysis.goodput import keeps_all
from chatload.analysis.slo_verdict import verdicts_of
from chatload.analysis.summary import summarise
from chatload.interop.jtl import samples
from chatload.live.live_run import LiveRun
from chatload.loads.user_classes import DECLARED, DeclaredClass
from chatload.model.packed_turns import unpacked
from chatload.model.slo import limits_of_a_turn, read_objectives
from chatload.model.turn import Turn
from chatload.render.csv_tables import summary_csv, turns_csv
from chatload.render.junit import junit_xml
from chatload.render.text import report_text
from chatload.store.journal import read_run
from tests.changes import replace
from tests.plans import plan_of
from tests.runs_builder import Shape, as_failed, good_turns, manifest_of, write_run


def named(name: str, **shape: Any) -> list[Turn]:
    return [replace(turn, name=name, turn_id=f"{name}-{turn.turn_id}") for turn in good_turns(Shape(**shape))]


def two() -> list[Turn]:
    """Fast turns to ask, slow ones to summarise, by the same users."""
    return [*named("ask", ttft_ms=50), *named("Shop/summarise", ttft_ms=900)]


def verdicts(turns: Sequence[Turn], words: str) -> dict[str, str]:
    found, mistakes = read_objectives(words)
    assert mistakes == []
    return {one.slo: one.verdict for one in verdicts_of(turns, found)}


def test_an_slo_of_a_name_speaks_of_its_turns_only() -> None:
    words = "ask: p50 ttft_ms <= 200; summarise: p50 ttft_ms <= 200; Shop: p50 ttft_ms <= 5000; p95 ttft_ms <= 200"
    assert verdicts(two(), words) == {
        "ask: p50 ttft_ms <= 200": "met",
        "summarise: p50 ttft_ms <= 200": "missed",
        "Shop: p50 ttft_ms <= 5000": "met",
        "p95 ttft_ms <= 200": "missed",
    }


def test_failed_turns_are_those_of_the_name() -> None:
    turns = [as_failed(turn, "http_5xx", "no") if turn.name == "ask" else turn for turn in two()]
    found = verdicts(turns, "ask: failed_share <= 1%; summarise: failed_share <= 1%; failed_share <= 50%")
    assert list(found.values()) == ["missed", "met", "met"]


@pytest.mark.parametrize(
    ("own", "version", "words"),
    [
        (True, __version__, "too_short (100.0 %): named by the scenario itself. "),
        (True, "9.0", "named by the scenario itself, or a code of its version of chatload. "),
        (False, __version__, "a code this version does not know. "),
    ],
)
def test_a_code_of_the_scenario_s_own_is_said_to_be_one(
    tmp_path: Path, own: bool, version: str, words: str
) -> None:
    turns = [as_failed(turn, "too_short", "3 words") for turn in named("ask")]
    write_run(tmp_path, manifest_of(Shape(), turns, versions={"chatload": version}), turns)
    declared = {DECLARED: lambda users, picked: (DeclaredClass("Shop", 1, own=own),)}
    run = read_run(tmp_path)
    run.manifest.plan = plan_of("chat", {"host": "http://127.0.0.1:1", "num_users": 1, **declared})
    assert words in " ".join(report_text(run, summarise(run)).split())


def test_a_turn_is_good_that_keeps_the_limits_that_speak_of_it() -> None:
    found, _ = read_objectives(
        "ask: ttft_ms <= 400; summarise: ttft_ms <= 9000; goodput >= 95%; ask: goodput >= 95%"
    )
    assert verdicts(two(), "; ".join(one.words for one in found)) == {
        "ask: ttft_ms <= 400": "part",
        "summarise: ttft_ms <= 9000": "part",
        "goodput >= 95%": "met",
        "ask: goodput >= 95%": "met",
    }
    good = keeps_all(limits_of_a_turn(found))
    other = replace(two()[0], name="other")
    assert (good(other), good(as_failed(other, "http_5xx", "no"))) == (True, False)


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (": p95 ttft_ms <= 5", "the name of turns must stand before the colon"),
        ("ask: standstill_s <= 5", "standstill_s is not of turns of one name: leave 'ask' out"),
        ("ask: p95 ttftms <= 5", "unknown metric, did you mean 'ttft_ms'?"),
        (
            "ask: ttft_ms <= 5",
            'of which share of the turns? add "goodput >= 95%", or write "ask: p95 ttft_ms <= 5"',
        ),
        ("ask:", 'must be like "p95 ttft_ms <= 500", "ttft_ms <= 500" or "failed_share <= 1%"'),
    ],
)
def test_each_mistake_is_one_line_with_its_remedy(words: str, mistake: str) -> None:
    assert read_objectives(words)[1] == [f"--slo {words!r}: {mistake}"]


def test_a_name_may_hold_blanks_and_colons() -> None:
    (one,), _ = read_objectives("a  b: c:p50 ttft_ms<=5")
    assert (one.name, one.words) == ("a b: c", "a b: c: p50 ttft_ms <= 5")
    assert one.applies_to("Shop/a b: c")
    assert not one.applies_to("Shop/xa b: c")


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """A run with named turns and SLOs."""

    def make(*slo: str) -> Any:
        turns = sorted(two(), key=lambda turn: turn.due_ns)
        manifest = manifest_of(Shape(), turns)
        manifest["plan"]["slo"] = list(slo)
        found = read_run(write_run(tmp_path / "r", manifest, turns))
        return found, summarise(found)

    return make


def test_names_are_rows_of_every_report(run: Any) -> None:
    found, summary = run("ask: p50 ttft_ms <= 200", "summarise: p50 ttft_ms <= 200")
    assert {name: part.turns for name, part in summary.groups.items()} == {"ask": 100, "Shop/summarise": 100}
    assert "Shop/summarise" in report_text(found, summary)
    assert "whole run, ask" in summary_csv([found], [summary])
    assert ",ask," in turns_csv([found])
    assert {one.label for one in samples(found.folder, found.manifest)} == {"ask", "Shop/summarise"}
    assert 'name="summarise: p50 ttft_ms &lt;= 200"' in junit_xml(gate(found, summary))
    assert code_of(found, summary)[0] == 3
    live = LiveRun()
    live.begin("r", 0)
    for turn in found.turns:
        live.on_line(unpacked(turn))
    assert {"s/ask", "s/Shop/summarise"} <= {str(row["name"]) for row in live.table("s")}


def test_an_slo_of_a_name_that_no_turn_has_gates_nothing_and_is_an_error(run: Any) -> None:
    found, summary = run("aks: p50 ttft_ms <= 200")
    why = "SLO of 'aks': no turn has that name (names: 'Shop/summarise', 'ask')."
    assert code_of(found, summary) == (2, why)
    assert gate(found, summary).code == 2


def test_turns_without_a_name_beside_others_are_a_row_too() -> None:
    from chatload.analysis.summary import NO_NAME, _groups

    turns = [*named("ask"), *good_turns(Shape())]
    assert list(_groups(turns)) == ["ask", NO_NAME]
    assert _groups(good_turns(Shape())) == {}


@pytest.mark.parametrize(("run_time_s", "whole"), [(None, True), (3600, False)])
def test_a_run_without_an_end_is_whole_when_it_is_stopped(
    tmp_path: Path, run_time_s: Any, whole: bool
) -> None:
    turns = good_turns(Shape())
    manifest = manifest_of(Shape(), turns, ended="interrupted", run_time_s=run_time_s)
    manifest["plan"]["turns"] = 0
    found = read_run(write_run(tmp_path / "r", manifest, turns))
    assert (shortcomings(found) == []) == whole
