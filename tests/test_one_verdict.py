"""Every surface tells the same verdict: it is made in `analysis/`, once, and only printed elsewhere.

The verdict is put in from outside, too: a surface that made one of its own would tell another.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

from chatload.__main__ import main
from chatload.analysis import comparison, slo_verdict
from chatload.analysis.gate import gate
from chatload.analysis.slo_verdict import level_verdict
from chatload.analysis.summary import summarise
from chatload.cli import ab, demo
from chatload.live import slo_so_far as live
from chatload.live.outcome import Outcomes
from chatload.model.slo import read_objectives
from chatload.model.verdict import ComparisonOutcome, SloOutcome
from chatload.render import markdown, overview, slo_words
from chatload.render.comparison_words import VERDICT_WORDS
from chatload.render.html import report_html
from chatload.render.junit import junit_xml
from chatload.render.markdown import summary_markdown
from chatload.render.run_files import keep_summary
from chatload.render.text import report_text
from chatload.store.journal import read_run
from plots.report import figures as report_figures
from tests.changes import replace
from tests.long import size
from tests.runs_builder import (
    HERE,
    STEADY,
    TINY,
    Shape,
    good_turns,
    manifest_of,
    user_lines,
    write_good,
    write_run,
)

Said = Callable[[], str]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What was printed since the last call, on one line."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    yield lambda: " ".join(capfd.readouterr().out.split())


def in_process(command: list[str]) -> int:
    """A command of the demo, without a process of its own; its pictures are left out."""
    _, _, _, name, *words = map(str, command)
    return 0 if name == "plots" else main([name, *words])


def comparisons(
    a: Path, b: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> dict[str, str]:
    """What each surface says of B against A. The page's pictures, which say nothing of it, are left out."""
    monkeypatch.setattr(report_figures, "figures", lambda runs: [])
    found = {}
    main(["report", str(a), str(b)])
    found["report"] = said()
    main(["report", str(a), str(b), "--html", str(folder / "both.html")])
    found["page"] = " ".join((folder / "both.html").read_text(encoding="utf-8").split())
    said()
    main(["compare", str(a), str(b)])
    found["compare"] = said()
    main(["compare", "--json", str(a), str(b)])
    found["json"] = f": {VERDICT_WORDS[json.loads(said())['verdict']]}."
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "job.md"))
    main(["check", str(b), "--baseline", str(a), "--force"])
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    found["check"], found["job summary"] = said(), (folder / "job.md").read_text(encoding="utf-8")
    for side, run in (("a", a), ("b", b)):
        shutil.copytree(run, folder / "ab" / side / "01")
    ab._compared(folder / "ab", 0.05)
    found["ab"] = said()
    for server, run in zip(demo.SERVERS, (a, b), strict=True):
        shutil.copytree(run, folder / "demo" / server)
    monkeypatch.setattr(demo, "run_to_end", in_process)
    demo._show(folder / "demo", dict.fromkeys(demo.SERVERS, 0))
    found["demo"] = said()
    return found


def told(text: str) -> list[str]:
    """The verdicts on a comparison that a text tells."""
    return [verdict for verdict, words in VERDICT_WORDS.items() if f": {words}." in text]


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (STEADY, replace(STEADY, seed=2, gap_ms=26.0), "differ"),
        *size([(STEADY, replace(STEADY, seed=2), "cannot tell")], []),
        (Shape(), Shape(seed=2), "cannot tell"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_comparisons_of_two_runs_tell_the_same(
    a: Shape, b: Shape, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    runs = write_good(tmp_path / "a", a), write_good(tmp_path / "b", b)
    found = comparisons(*runs, tmp_path, monkeypatch, said)
    gate = {"check", "job summary"}  # one run a side: no worse, worse, or cannot tell
    assert {surface: told(text) for surface, text in found.items() if surface not in gate} == {
        surface: [verdict] for surface in found if surface not in gate
    }
    assert told(found["check"]) == told(found["job summary"]) != []


@pytest.mark.parametrize("verdict", get_args(ComparisonOutcome))
def test_no_surface_makes_a_comparison_s_verdict_of_its_own(
    verdict: ComparisonOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr(comparison, "overall", lambda effects: verdict)
    monkeypatch.setattr(comparison, "effects", lambda *sides: [])
    monkeypatch.setattr(comparison, "against", lambda *sides: [])
    other = write_good(tmp_path / "other", replace(TINY, seed=9))
    found = comparisons(HERE / "tiny", other, tmp_path, monkeypatch, said)
    assert {surface: told(text) for surface, text in found.items()} == {
        surface: [verdict] for surface in found
    }


SLO = "p95 ttft_ms <= 250"


def verdicts_on_the_slo(folder: Path, said: Said) -> dict[str, str]:
    """What each surface says of one SLO of a run: the word beside it."""
    shape = STEADY
    turns = good_turns(shape)
    manifest = manifest_of(shape, turns)
    manifest["plan"]["slo"] = [SLO]
    run = read_run(write_run(folder / "run", manifest, turns, user_lines(turns)))
    summary = summarise(run)
    keep_summary(run, summary)
    objectives, _ = read_objectives(SLO)
    counting = live.SoFar(objectives, run.manifest.load)
    for turn in run.turns:
        counting.add(turn)
    main(["check", str(run.folder)])
    case = next(
        case for case in ElementTree.fromstring(junit_xml(gate(run, summary))) if case.get("name") == SLO
    )
    tag = {"failure": "missed", "skipped": "undecided", "system-out": "met"}[case[0].tag]
    row = f'<th scope="row">{{}}</th><td class="t">surely</td><td class="t">{SLO.replace("<", "&lt;")}</td>'
    page = report_html([run], [summary])
    return {
        "report": next(
            words for words in OUTCOMES if f"{words} surely {SLO}" in spaced(report_text(run, summary))
        ),
        "page": next(words for words in OUTCOMES if row.format(words) in page),
        "summary.md": next(
            words for words in OUTCOMES if f"{words} surely | `{SLO}`" in summary_markdown(run, summary)
        ),
        "junit.xml": tag,
        "check": said().split(f"SLO {SLO}: ")[1].split(",")[0],
        "live page": str(counting.state()["rows"][0]["verdict"]),  # type: ignore[index]
        "live page, at the end": Outcomes().of(run.folder).slo[0]["verdict"],
        "capacity search": level_verdict(run.turns, objectives)[0],
    }


OUTCOMES = ("met", "missed", "undecided")


def spaced(text: str) -> str:
    return " ".join(text.split())


def test_an_slo_has_one_verdict_everywhere(tmp_path: Path, said: Said) -> None:
    found = verdicts_on_the_slo(tmp_path, said)
    assert found == dict.fromkeys(found, found["report"])


@pytest.mark.parametrize("verdict", OUTCOMES)
def test_no_surface_makes_an_slo_s_verdict_of_its_own(
    verdict: SloOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr(slo_verdict, "outcome_of", lambda asked, value: verdict)
    monkeypatch.setattr(slo_verdict, "_is_sure", lambda *_: True)
    for module in (slo_words, markdown, overview):
        monkeypatch.setattr(module, "sure_words", lambda one: "surely")
    found = verdicts_on_the_slo(tmp_path, said)
    assert found == dict.fromkeys(found, verdict)


DECIDING = ("effects", "failed_share", "comparison_rules", "block_interval", "beta")
"""Modules of analysis/ that tell one number from another."""


def test_what_shows_verdicts_imports_nothing_that_decides() -> None:
    package = Path(main.__code__.co_filename).parent
    found = {
        f"{path.relative_to(package)}: {module}"
        for part in ("render", "cli", "live")
        for path in (package / part).rglob("*.py")
        for module in DECIDING
        if f"chatload.analysis.{module} import" in path.read_text(encoding="utf-8")
    }
    assert found == set()
