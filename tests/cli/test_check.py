"""`check`, junit.xml, summary.md and annotations: what CI sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chatload.__main__ import main
from chatload.analysis.gate import gate
from chatload.analysis.slo_verdict import with_slos
from chatload.analysis.summary import summarise
from chatload.model.slo import read_objectives
from chatload.model.summary import Summary
from chatload.render.junit import junit_xml
from chatload.render.markdown import summary_markdown
from chatload.render.run_files import keep_ci_files
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.long import LONG
from tests.runs_builder import (
    HERE,
    START_NS,
    Shape,
    as_failed,
    good_turns,
    manifest_of,
    user_lines,
    write_good,
    write_run,
)
from tests.runs_builder import STEADY as STEADY_SHAPE

MET, MISSED, UNSURE = "p50 ttft_ms <= 200", "p50 ttft_ms <= 50", "p99 ttft_ms <= 450"
STEADY, SLOWER = str(HERE / "steady"), str(HERE / "slower")
VLLM = str(HERE / "vllm")


@pytest.fixture(autouse=True)
def _not_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def judged(name: str, words: str) -> tuple[Run, Summary]:
    run = read_run(HERE / name)
    return run, with_slos(summarise(run), run, read_objectives(words)[0])


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([VLLM, "--slo", MET], 0),
        ([VLLM, "--slo", MET, "--slo", MISSED], 3),
        ([VLLM, "--slo", UNSURE], 0),
        ([VLLM, "--slo", UNSURE, "--sure"], 5),
        ([STEADY, "--slo", MET, "--sure"], 0),
        ([STEADY, "--slo", UNSURE, "--sure"], 5),
        ([STEADY, "--slo", UNSURE, "--slo", MISSED, "--sure"], 3),
        ([STEADY, "--slo", "p50 ttft_ms <= 122.5", "--window", "all-in"], 0),
        ([STEADY, "--slo", "p90 ttft_ms <= 182"], 0),
        ([STEADY, "--slo", "p90 ttft_ms <= 182", "--window", "whole"], 3),
        ([STEADY, "--baseline", STEADY], 2),
        ([STEADY, "--baseline", SLOWER], 0),
        ([SLOWER, "--baseline", STEADY], 3),
        ([VLLM, "--baseline", str(HERE / "tgi"), "--force", "--sure"], 5),
        ([VLLM, "--baseline", str(HERE / "tgi")], 2),
        ([VLLM, "--baseline", str(HERE / "tgi"), "--force"], 0),
        ([VLLM, "--slo", MET, "--baseline", str(HERE / "tiny")], 2),
        ([str(HERE / "troubled"), "--slo", MET], 4),
        ([VLLM, "--slo", MET, "--allow-failed", "-1"], 2),
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


def test_a_baseline_without_a_good_turn_allows_no_conclusion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [as_failed(turn, "http_5xx", "") for turn in good_turns(STEADY_SHAPE)]
    run_id = {"run_id": "another"}
    failed = write_run(tmp_path / "f", manifest_of(STEADY_SHAPE, turns, **run_id), turns, user_lines(turns))
    assert main(["check", STEADY, "--baseline", str(failed)]) == 4
    assert "f: it has no good turn, so it is no baseline." in capsys.readouterr().out
    assert main(["baseline", "add", str(failed), str(tmp_path / "kept")]) == 2
    assert f"{failed}: no baseline: it has no good turn" in capsys.readouterr().err


def test_the_runs_own_slos_are_the_default(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "run", Shape())
    manifest = folder / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"allow_failed"', f'"slo": ["{MISSED}"], "allow_failed"')
    )
    assert main(["check", str(folder)]) == 3
    assert main(["check", str(folder), "--slo", MET]) == 0


def test_junit_has_a_case_an_slo() -> None:
    run, summary = judged("steady", f"{MET};{MISSED};{UNSURE};ttft_ms <= 300;goodput >= 50%")
    for sure, errors in ((False, "0"), (True, "1")):
        suite = ElementTree.fromstring(junit_xml(gate(run, summary, sure=sure)))
        counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == ["7", "1", errors, "0"]
        outcome = {case.get("name"): [child.tag for child in case] for case in suite}
        assert outcome[UNSURE] == (["error"] if sure else ["system-out"])
    assert outcome[MISSED] == ["failure"]
    assert outcome[MET] == ["system-out"]
    assert outcome["failed turns within --allow-failed"] == ["system-out"]
    assert outcome["the whole plan was held and recorded"] == ["system-out"]


def test_hostile_words_stay_words() -> None:
    run, summary = judged("troubled", MISSED)
    suite = ElementTree.fromstring(junit_xml(gate(run, summary)))
    assert suite.get("failures") == "3"
    text = summary_markdown(run, summary)
    assert "<script" not in text.replace("\\<", "")
    assert "\x1b" not in text
    assert "\x00" not in junit_xml(gate(run, summary))


def test_markdown_tables_are_whole() -> None:
    text = summary_markdown(*judged("vllm", f"{MET};{MISSED}"))
    assert "**2 SLOs: 1 missed, 1 met (2 unsure)**" in text
    assert f"| ❌ missed unsure | `{MISSED}` | 126 ms |" in text
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.strip().split("\n")}) == 1
    assert "nothing to measure" in summary_markdown(*judged("unreachable", MET))


def test_github_gets_annotations_and_the_job_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    tgi = str(HERE / "tgi")
    assert main(["check", SLOWER, "--slo", MISSED, "--slo", UNSURE, "--baseline", STEADY]) == 3
    assert main(["check", VLLM, "--slo", MISSED, "--baseline", tgi, "--force"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [
        line
        for line in lines
        if line.startswith(f"::error title=SLO missed::{MISSED}: missed, surely, measured")
    ]
    assert [
        line for line in lines if line.startswith(f"::warning title=SLO met::{UNSURE}: met, unsure, measured")
    ]
    assert [line for line in lines if line.startswith("::error title=worse than the baseline::TPOT p50")]
    assert [
        line
        for line in lines
        if line.startswith("::warning title=compared by force::FORCED, not alike: kind")
    ]
    assert all("%" not in line.replace("%25", "") for line in lines if line.startswith("::"))
    page = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "**run against baseline: worse. Worse: TPOT p50, felt speed p50.**" in page
    assert "> ⚠️ FORCED, not alike: kind of server: baseline" in page


def test_files_of_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = read_run(write_good(tmp_path / "run", Shape()))
    keep_ci_files(run, summarise(run))
    ElementTree.parse(run.folder / "junit.xml")
    assert (run.folder / "summary.md").read_text(encoding="utf-8").startswith("## chatload: chat\\-100"[:12])
    (run.folder / "junit.xml").unlink()
    (run.folder / "junit.xml").mkdir()
    keep_ci_files(run, summarise(run))
    assert "junit.xml: not written" in capsys.readouterr().err


def test_a_rise_of_failed_turns_is_worse_whatever_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 against 11 % of the turns: no margin and no allowance hides it from the baseline."""
    shape = Shape(seed=5)
    turns = good_turns(shape)
    for position in range(0, 100, 9):
        turns[position] = as_failed(turns[position], "http_5xx", "HTTP 503", status=503)
    folder = write_run(tmp_path / "run", manifest_of(shape, turns), turns, user_lines(turns))
    against = ["--baseline", VLLM, "--margin", "99%"]
    assert main(["check", str(folder), *against]) == 3
    assert main(["check", str(folder), *against, "--allow-failed", "100%"]) == 3
    assert "against the baseline, failed turns: worse, 0 → 12" in capsys.readouterr().out
    assert main(["check", VLLM, "--baseline", str(folder), "--margin", "99%"]) == 0


def test_more_failed_turns_than_allowed_fail_the_gate(tmp_path: Path) -> None:
    shape = Shape(seed=5)
    turns = good_turns(shape)
    turns[3] = as_failed(turns[3], "http_5xx", "HTTP 503", status=503)
    folder = write_run(tmp_path / "run", manifest_of(shape, turns), turns, user_lines(turns))
    assert main(["check", str(folder), "--slo", MET]) == 1
    assert main(["check", str(folder), "--slo", MET, "--allow-failed", "0.5%"]) == 1
    junit = tmp_path / "allowed.xml"
    assert main(["check", str(folder), "--slo", MET, "--allow-failed", "1%", "--junit", str(junit)]) == 0
    assert ElementTree.parse(junit).getroot().get("failures") == "0", (
        "what check allows counts in its files, too"
    )


def test_a_run_that_cannot_be_trusted_fails_its_own_junit() -> None:
    run = replace(read_run(HERE / "vllm"), manifest=replace(read_run(HERE / "vllm").manifest, exit_code=4))
    (failure,) = ElementTree.fromstring(junit_xml(gate(run, summarise(run)))).iter("failure")
    assert str(failure.get("message")).startswith("NOT TRUSTWORTHY: the measurement of vllm")


UNLIKE = {
    "users": {"users": 10},
    "turns": {"turns": 50},
    "think time": {"think_time_s": 0.0},
    "history": {"history": True},
    "prompt": {"prompt": "Another one"},
    "prompts": {"prompts": "other.jsonl"},
    "max tokens": {"max_tokens": 16},
    "temperature": {"temperature": 0.0},
    "body": {"body": {"ignore_eos": True}},
    "users per second": {"users_per_s": 1.0},
    "kind of load": {"levels": [1, 2], "rounds": 2},
}


@pytest.mark.parametrize("name", [*UNLIKE, "model", "kind of server"])
def test_a_baseline_made_otherwise_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = Shape()
    turns = good_turns(shape)
    manifest = manifest_of(shape, turns)
    manifest["plan"] |= UNLIKE.get(name, {})
    if name == "model":
        manifest["server"]["model"] = "llama-3"
    elif name == "kind of server":
        manifest["server"]["found"]["name"] = "tgi"
    other = write_run(tmp_path / "other", manifest, turns, user_lines(turns))
    assert main(["check", VLLM, "--baseline", str(other)]) == 2
    *differing, remedy = capsys.readouterr().err.splitlines()
    assert [line for line in differing if line.startswith(f"not alike: {name}: baseline '")]
    assert remedy.endswith("add --force")
    if not LONG and name not in ("users", "model"):
        return
    junit = tmp_path / "forced.xml"
    code = main(["check", VLLM, "--baseline", str(other), "--force", "--junit", str(junit)])
    out = capsys.readouterr().out
    assert out.startswith("FORCED, not alike:")
    assert f"(exit code {code})" in out
    first = ElementTree.parse(junit).getroot()[0]
    assert first.get("name") == "compared by --force"
    assert "FORCED, not alike" in str(first.findtext("system-out"))


def test_the_same_prompts_in_another_folder_are_alike(tmp_path: Path) -> None:
    shape = Shape()
    turns = good_turns(shape)
    sides = []
    for place in ("/builds/1", "/builds/2"):
        manifest = manifest_of(shape, turns)
        manifest["plan"]["prompts"] = f"{place}/prompts.jsonl"
        sides.append(write_run(tmp_path / place.strip("/"), manifest, turns, user_lines(turns)))
    assert main(["check", str(sides[0]), "--baseline", str(sides[1])]) == 0


DAMAGE = {
    "turns deleted": lambda lines: [line for line in lines if b'"turn":3' not in line],
    "cut in the middle": lambda lines: lines[: len(lines) // 2],
    "emptied": lambda lines: [],
    "garbage in it": lambda lines: [*lines[:9], b"\x00\x01garbage", *lines[10:]],
    "written by another run": lambda lines: [line.replace(b'"run-1"', b'"run-9"') for line in lines],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_journal_that_lacks_turns_fails_the_gate(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_good(tmp_path / "run", Shape())
    journal = folder / "journal-local.jsonl"
    journal.write_bytes(b"".join(line + b"\n" for line in DAMAGE[name](journal.read_bytes().splitlines())))
    assert main(["check", str(folder), "--slo", "p50 ttft_ms <= 5000"]) == 4
    assert main(["check", VLLM, "--baseline", str(folder)]) == 4
    assert "run: " in capsys.readouterr().out


def test_a_torn_line_in_a_copy_is_no_loss_where_all_turns_are_there(tmp_path: Path) -> None:
    shape = Shape()
    turns = good_turns(shape)
    for heard, code in ((100, 0), (101, 4), (None, 4)):
        known = {} if heard is None else {"turns_heard": heard}
        folder = write_run(tmp_path / str(heard), manifest_of(shape, turns, **known), turns)
        (folder / "journal-copy.jsonl").write_bytes(b'{"kind":"turn","turn_')
        assert main(["check", str(folder), "--slo", "p50 ttft_ms <= 5000"]) == code


@pytest.mark.parametrize("ended", ["interrupted", "running", "failed"])
def test_a_run_that_did_not_end_by_its_plan_fails_the_gate(ended: str, tmp_path: Path) -> None:
    shape = Shape(seed=6)
    turns = good_turns(shape)[:60]
    folder = write_run(tmp_path / "run", manifest_of(shape, turns, ended=ended), turns)
    assert main(["check", str(folder), "--slo", MET]) == 4
    assert main(["check", VLLM, "--baseline", str(folder)]) == 4


def test_a_run_ended_by_run_time_is_whole_if_turns_were_held(tmp_path: Path) -> None:
    shape = Shape(seed=6)
    turns = good_turns(shape)[:60]
    timed = {"ended": "interrupted", "run_time_s": 4}
    folder = write_run(tmp_path / "run", manifest_of(shape, turns, **timed), turns)
    assert main(["check", str(folder), "--slo", MET]) == 0
    early = {"ended": "interrupted", "run_time_s": 600}
    folder = write_run(tmp_path / "early", manifest_of(shape, turns, **early), turns)
    assert main(["check", str(folder), "--slo", MET]) == 4
    empty = write_run(tmp_path / "empty", manifest_of(shape, [], **timed, ended_ns=START_NS + 4 * 10**9), [])
    assert main(["check", str(empty), "--slo", MET]) == 4


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        '{"plan": 3}',
        '{"run_id": [1]}',
        '{"machine": "x"}',
        '{"problems": 3}',
        '{"run_time_s": "x"}',
        '{"format": 99}',
        "\x00",
    ],
)
def test_what_is_no_run_is_one_line_and_exit_2(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    for argv in ([str(tmp_path), "--slo", MET], [VLLM, "--baseline", str(tmp_path)]):
        assert main(["check", *argv]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.e2e
def test_a_reader_who_leaves_does_not_turn_the_gate_green() -> None:
    command = f"{sys.executable} -m chatload check {VLLM} --slo '{MISSED}' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, cwd=HERE.parents[1], check=True
    )
    assert (done.stdout, done.stderr) == ("3\n", "")
