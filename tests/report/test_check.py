"""`check`, junit.xml, summary.md and annotations: what CI sees."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from chatload.__main__ import main
from chatload.record.journal import Run, read_run
from chatload.report.annotations import write_ci_files
from chatload.report.command import summary_of
from chatload.report.judge import summary_of_slos
from chatload.report.junit import junit_xml
from chatload.report.markdown import summary_markdown
from chatload.slo import read_objectives
from tests.runs_builder import HERE, Shape, write_good

MET, MISSED, UNDECIDED = "p50 ttft_ms <= 200", "p50 ttft_ms <= 50", "p99 ttft_ms <= 400"
VLLM = str(HERE / "vllm")


@pytest.fixture(autouse=True)
def _not_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def judged(name: str, words: str) -> tuple[Run, dict[str, object]]:
    run = read_run(HERE / name)
    return run, {**summary_of(run), **summary_of_slos(run.turns, read_objectives(words)[0])}


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([VLLM, "--slo", MET], 0),
        ([VLLM, "--slo", MET, "--slo", MISSED], 3),
        ([VLLM, "--slo", UNDECIDED], 0),
        ([VLLM, "--slo", UNDECIDED, "--strict"], 3),
        ([VLLM, "--baseline", VLLM], 0),
        ([VLLM, "--baseline", str(HERE / "tgi")], 3),
        ([str(HERE / "unreachable"), "--slo", MET], 4),
        ([VLLM], 2),
        ([VLLM, "--slo", "p50 tft_ms <= 1"], 2),
        (["nowhere", "--slo", MET], 2),
    ],
)
def test_exit_codes(argv: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *argv]) == code
    out, err = capsys.readouterr()
    assert (f"(exit code {code})" in out) == (code != 2)
    assert bool(err) == (code == 2)


def test_an_untrustworthy_measurement_outranks_a_miss(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "run", Shape(), exit_code=4)
    assert main(["check", str(folder), "--slo", MISSED]) == 4
    assert main(["check", VLLM, "--baseline", str(folder)]) == 4


def test_the_runs_own_slos_are_the_default(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "run", Shape())
    manifest = folder / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"allow_failed"', f'"slo": ["{MISSED}"], "allow_failed"')
    )
    assert main(["check", str(folder)]) == 3
    assert main(["check", str(folder), "--slo", MET]) == 0


def test_junit_has_a_case_an_slo() -> None:
    run, summary = judged("vllm", f"{MET};{MISSED};{UNDECIDED};ttft_ms <= 300;goodput >= 50%")
    suite = ElementTree.fromstring(junit_xml(run, summary))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("6", "1", "1")
    outcome = {case.get("name"): [child.tag for child in case] for case in suite}
    assert outcome[MISSED] == ["failure"]
    assert outcome[UNDECIDED] == ["skipped"]
    assert outcome[MET] == ["system-out"]
    assert outcome["failed turns within --allow-failed"] == ["system-out"]


def test_hostile_words_stay_words() -> None:
    run, summary = judged("troubled", MISSED)
    suite = ElementTree.fromstring(junit_xml(run, summary))
    assert suite.get("failures") == "2"
    text = summary_markdown(run, summary)
    assert "<script" not in text.replace("\\<", "")
    assert "\x1b" not in text
    assert "\x00" not in junit_xml(run, summary)


def test_markdown_tables_are_whole() -> None:
    text = summary_markdown(*judged("vllm", f"{MET};{MISSED}"))
    assert "**2 SLOs: 1 missed, 1 met**" in text
    assert f"| ❌ missed | `{MISSED}` | 126 ms |" in text
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.strip().split("\n")}) == 1
    assert "nothing to measure" in summary_markdown(*judged("unreachable", MET))


def test_github_gets_annotations_and_the_job_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    main(["check", VLLM, "--slo", MISSED, "--slo", UNDECIDED, "--baseline", str(HERE / "tgi")])
    lines = capsys.readouterr().out.splitlines()
    assert [
        line for line in lines if line.startswith(f"::error title=SLO missed::{MISSED}: missed, measured")
    ]
    assert [line for line in lines if line.startswith(f"::warning title=SLO undecided::{UNDECIDED}")]
    assert [line for line in lines if line.startswith("::error title=worse than the baseline::TPOT p50")]
    assert all("%" not in line.replace("%25", "") for line in lines if line.startswith("::"))
    assert "Against the baseline: **mixed**" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_files_of_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = read_run(write_good(tmp_path / "run", Shape()))
    write_ci_files(run, summary_of(run))
    ElementTree.parse(run.folder / "junit.xml")
    assert (run.folder / "summary.md").read_text(encoding="utf-8").startswith("## chatload: chat\\-100"[:12])
    (run.folder / "junit.xml").unlink()
    (run.folder / "junit.xml").mkdir()
    write_ci_files(run, summary_of(run))
    assert "junit.xml: not written" in capsys.readouterr().err
