"""A badge, and the head of a page, say what a run came to; texts are escaped, in SVG and JSON alike."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from chatload.analysis.summary import summarise
from chatload.cli.export import export
from chatload.model.journal_lines import FORMAT
from chatload.model.summary import Validity
from chatload.model.verdict import CapacityResult, LevelResult
from chatload.render.badge import COLOURS, badge_of, badge_svg
from chatload.render.html import report_html
from chatload.render.overview import slo_marks
from chatload.store.journal import Run, read_run
from tests.plans import plan_of
from tests.runner.fake_locust import HOST
from tests.runs_builder import HERE, STEADY, Shape, write_good


def steady(tmp_path: Path, slo: str = "", shape: Shape = STEADY, **more: object) -> Run:
    values = {"host": HOST, "num_users": 20, "turns": "12", "slo": slo}
    plan = msgspec.to_builtins(plan_of("capacity" if "capacity" in more else "chat", values))
    return read_run(write_good(tmp_path / "run", shape, format=FORMAT, plan=plan, ended="done", **more))


@pytest.mark.parametrize(
    ("slo", "message", "code"),
    [
        ("", "TTFT p95 ", 0),
        ("p50 ttft_ms <= 1000", "1 of 1 SLO met, TTFT p95 ", 0),
        ("p50 ttft_ms <= 1000; p50 ttft_ms <= 1", "1 of 2 SLOs met, TTFT p95 ", 3),
    ],
)
def test_a_badge_has_the_slos_and_ttft(tmp_path: Path, slo: str, message: str, code: int) -> None:
    run = steady(tmp_path, slo)
    badge = badge_of(run, summarise(run))
    assert badge.message.startswith(message)
    assert badge.message.endswith(" ms")
    assert badge.colour == COLOURS[code]


def test_what_is_no_answer_is_not_green(tmp_path: Path) -> None:
    for name, message, code in (
        ("unreachable", "not complete", 1),
        ("troubled", "not trustworthy", 4),
    ):
        run = read_run(HERE / name)
        badge = badge_of(run, summarise(run))
        assert (badge.message, badge.colour) in ((message, COLOURS[code]), ("not complete", COLOURS[code]))


def test_a_capacity_search_has_its_answer(tmp_path: Path) -> None:
    levels = [
        LevelResult(users=n, verdict="met", passed=n == 26, turns=9, slo=[], groups=[]) for n in (26, 27)
    ]
    found = msgspec.to_builtins(CapacityResult(users=26, levels=levels))
    run = steady(tmp_path, "p50 ttft_ms <= 500", capacity=found)
    assert badge_of(run, summarise(run)).message == "26 chat users within the SLOs"


def test_texts_are_escaped_and_the_svg_loads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = steady(tmp_path)
    evil = '</text><script>alert(1)</script>"&\u202e'
    svg = badge_svg(badge_of(run, summarise(run), evil))
    root = ElementTree.fromstring(svg)
    assert {one.tag.partition("}")[2] for one in root.iter()} == {"svg", "title", "rect", "text"}
    assert "href" not in svg and "\u202e" not in svg
    assert export(["badge", str(tmp_path / "run"), "--format", "shields", "--label", evil]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schemaVersion"] == 1
    assert told["message"] == badge_of(run, summarise(run)).message
    assert set(told) == {"schemaVersion", "label", "message", "color"}
    assert export(["badge", str(tmp_path / "run"), "--output", str(tmp_path / "b.svg")]) == 0
    ElementTree.parse(tmp_path / "b.svg")


def test_the_head_of_a_page_has_the_answer_a_row_of_slos_and_the_doubt_before_it(tmp_path: Path) -> None:
    """Met surely, met and not sure, missed; whatever an SLO says is escaped."""
    run = steady(tmp_path, "p50 ttft_ms <= 1000; failed_share <= 1%; p50 ttft_ms <= 1")
    summary = summarise(run)
    assert slo_marks(run, summary) == [
        ("good", "✓ p50 ttft_ms <= 1000 (surely)"),
        ("warn", "✓ failed_share <= 1% (unsure)"),
        ("bad", "✗ p50 ttft_ms <= 1 (surely)"),
    ]
    page = report_html([run], [summary])
    assert '<li class="good">✓ p50 ttft_ms &lt;= 1000 (surely)</li>' in page
    assert '<h1 class="verdict">240 of 240 turns good' in page
    assert 'class="doubt"' not in page
    doubted = msgspec.structs.replace(
        summary, validity=Validity(trustworthy=False, reasons=("<b>lag",), remedy="Rest.")
    )
    page = report_html([run], [doubted])
    assert page.index('<p class="doubt">NOT TRUSTWORTHY: &lt;b&gt;lag. Rest.</p>') < page.index("<h1")
    assert page.count("NOT TRUSTWORTHY") == 1
    assert '<ul class="marks">' not in report_html([run], [msgspec.structs.replace(summary, slo=[])])
