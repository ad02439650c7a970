"""`chatload history`: the runs of a folder over time, on recorded runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from chatload.__main__ import main
from chatload.analysis.comparable import load_conditions
from chatload.analysis.history import RunGroup, grouped
from chatload.analysis.summary import summarise
from chatload.cli.history import past_runs
from chatload.store.journal import read_run
from chatload.store.manifest import Manifest
from plots.report.history_picture import history_picture
from tests.plans import plan_of
from tests.runs_builder import HERE


def keep(folder: Path, name: str, at: str = "", **changed: Any) -> Path:
    """A copy of a recorded run, its manifest changed."""
    target = folder / (at or name)
    shutil.copytree(HERE / name, target)
    path = target / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs alike, the later one first by name; one of another load and server; one damaged, one without turns."""
    keep(tmp_path, "slower", started_utc="2026-11-24T10:00:00+00:00", label="def456")
    keep(tmp_path, "steady", started_utc="2026-11-23T10:00:00+00:00", label="abc123")
    keep(tmp_path, "tgi", "rounds/1", started_utc="2026-11-25T10:00:00+00:00", label="")
    keep(tmp_path, "unreachable")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "manifest.json").write_text('{"format": 3, "run_')
    return tmp_path


def groups_of(folder: Path) -> list[RunGroup]:
    return grouped(past_runs([folder])[0])


def names(groups: list[RunGroup]) -> list[list[str]]:
    return [[one.folder.name for one in group.runs] for group in groups]


def test_runs_stand_in_order_of_their_start_and_only_beside_those_they_may_be_compared_with(
    folder: Path,
) -> None:
    groups = groups_of(folder)
    assert names(groups) == [["steady", "slower"], ["1"]]
    assert groups[0].unlike == []
    assert {name for name, _, _ in groups[1].unlike} == {"turns", "kind of server"}


def test_a_search_has_no_users_of_its_own() -> None:
    """Locust's one user that keeps a search or a sweep going is no condition of it."""
    chat, search, sweep = (
        load_conditions(Manifest(plan=plan_of(kind, {"host": "http://a", **values})))
        for kind, values in (
            ("chat", {"num_users": 9}),
            ("capacity", {"slo": "p95 ttft_ms <= 9"}),
            ("sweep", {}),
        )
    )
    assert (chat["users"], chat["users per second"]) == (9, 1.0)
    assert not {"users", "users per second"} & (search.keys() | sweep.keys())
    assert search["users per second of a level"]


@pytest.mark.parametrize(
    ("changed", "alike"),
    [({}, True), ({"label": "x", "argv": ["y"]}, True), ({"edits": [{"at_ns": 5, "users": 9}]}, False)],
)
def test_another_load_is_another_group(tmp_path: Path, changed: dict[str, Any], alike: bool) -> None:
    keep(tmp_path, "steady")
    keep(tmp_path, "steady", "again", **changed)
    assert len(groups_of(tmp_path)) == (1 if alike else 2)


def test_the_run_that_one_stands_in_has_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "steady")
    assert names(groups_of(Path())) == [["steady"]]


def test_what_cannot_be_shown_is_named_and_is_no_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", str(folder)]) == 0
    text = "".join(capsys.readouterr().out.split())
    for words in (  # lines are wrapped, paths too
        "3 runs in 2 groups that may not be compared with each other; 2 folders left out.",
        "torn/manifest.json: the file is damaged",
        "unreachable: no turns: http://127.0.0.1:1: connection refused",
    ):
        assert words.replace(" ", "") in text


def test_the_figures_are_those_of_the_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["history", str(folder)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for name, label in (("slower", "def456"), ("steady", "abc123")):
        main(["report", str(HERE / name), "--json"])
        expected = json.loads(capsys.readouterr().out)
        figures, intervals = (row for row in rows if label in row)
        assert figures[3] == str(expected["turns"])
        assert figures[6] == f"{expected['ttft_ms']['p50']:.0f}"
        assert figures[7] == f"{expected['ttft_ms']['p95']:.0f}"
        low, high = expected["ttft_ms"]["interval"]["p95"]
        assert " ".join(intervals[6:9]) == f"{low:.0f} … {high:.0f}"


def test_a_summary_that_is_missing_or_another_run_s_is_made_of_the_journals(tmp_path: Path) -> None:
    run = keep(tmp_path, "steady")
    expected = summarise(read_run(run))
    other = keep(tmp_path, "tgi")
    main(["report", str(run), str(other)])
    kept = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**kept, "run_id": "another", "turns": 1}))
    (other / "summary.json").unlink()
    found = {one.folder.name: one.summary for one in past_runs([tmp_path])[0]}
    assert found["steady"].turns == expected.turns == 240
    assert found["tgi"].turns == 100


def test_several_folders_show_each_run_once(folder: Path) -> None:
    found, left_out = past_runs([folder / "steady", folder, folder / "rounds"])
    assert sorted(one.folder.name for one in found) == ["1", "slower", "steady"]
    assert len(left_out) == 2


def test_a_summary_that_is_there_is_read_not_made(tmp_path: Path) -> None:
    run = keep(tmp_path, "steady")
    main(["report", str(run)])
    for journal in run.glob("journal-*"):
        journal.unlink()
    ((one,), left_out) = past_runs([tmp_path])
    assert (one.summary.turns, left_out) == (240, [])


def test_the_picture_has_each_run_at_its_place_with_its_interval(folder: Path) -> None:
    groups = groups_of(folder)
    figure = Figure()
    history_picture(groups).draw((), figure)
    axes = figure.axes[1]
    assert axes.get_title().startswith("TTFT p95 (ms)")
    ttft = [one.summary.metric("ttft_ms") for group in groups for one in group.runs]
    lines = [line for line in axes.lines if line.get_label() and not str(line.get_label()).startswith("_")]
    assert [list(map(float, line.get_xdata())) for line in lines] == [[0.0, 1.0], [2.0]]
    assert [value for line in lines for value in line.get_ydata()] == [one.p95 for one in ttft]
    bars = [tuple(line.get_ydata()) for line in axes.lines if line not in lines]
    assert bars == [one.interval_of("p95") for one in ttft[:2]], "the third is too short for one"
    assert [tick for at in range(3) if (tick := axes.xaxis.get_major_formatter()(at, 0))] == [
        "abc123", "def456", "11-25 10:00",
    ]  # fmt: skip


def test_capacity_searches_are_told_by_their_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Percentiles over all levels mean nothing."""
    levels = [
        {"users": n, "verdict": v, "passed": v == "met", "turns": 9, "slo": []}
        for n, v in ((8, "met"), (16, "missed"))
    ]
    found = {"users": 12, "interval": [8, 16], "levels": levels}
    keep(tmp_path, "steady", started_utc="2026-11-23T10:00:00+00:00", label="abc123", capacity=found)
    late = {"started_utc": "2026-11-24T10:00:00+00:00", "label": "def456"}
    keep(
        tmp_path,
        "steady",
        "late",
        capacity={**found, "users": 16, "levels": levels[:1], "interval": [16, None]},
        **late,
    )
    assert main(["history", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    rows = [" ".join(line.split()[2:]) for line in text.splitlines()]
    assert {"abc123 12 8 … 16 2 240", "def456 ≥ 16 ≥ 16 1 240"} <= {*rows}, text
    assert "TTFT" not in text
    lost = {**found, "users": None, "interval": None, "counts": "arrivals"}
    keep(tmp_path / "more", "steady", label="none", capacity=lost)
    assert main(["history", str(tmp_path / "more")]) == 0
    more = capsys.readouterr().out
    assert ["none", "not", "found"] in [line.split()[2:5] for line in more.splitlines()], more
    assert "Arriving conversations a minute held" in more
    assert "not found" not in text and "Chat users held" in text
    shutil.rmtree(tmp_path / "more")
    figure = Figure()
    history_picture(groups_of(tmp_path)).draw((), figure)
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[8, 16], [12, 16]]


@pytest.mark.slow
def test_a_page_that_loads_nothing_and_shows_what_others_wrote_as_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(folder, "vllm", "nasty", label="<script>alert(1)</script>")
    page = folder / "history.html"
    assert main(["history", str(folder), "--html", str(page), "--picture", str(folder / "p.svg")]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "default-src 'none'" in text
    assert text.count("<svg") >= 4
    assert (folder / "p.svg").stat().st_size > 1000


def test_markdown_has_the_same_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(folder), "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("## chatload: 3 runs in 2 groups")
    (row,) = [line for line in lines if "abc123" in line and "240" in line]
    assert row.startswith("| 2026-11-23 10:00 | abc123 | 240 | 0.0 % |")
    for place, line in enumerate(lines):
        if line.startswith("|---"):
            assert lines[place - 2] == "", "a table needs an empty line before it"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{}/none"], "none: no folder: name one that holds run folders, such as results"),
        (["{}"], "holds no run (no manifest.json in it, or one or two levels below)"),
        (["{}", "--picture", "x.gif"], "--picture x.gif: must end in .png, .svg or .pdf"),
        (["{}", "--markdown", "--html", "x"], "--markdown and --html: one form at a time"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", *(word.format(tmp_path) for word in words)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(said)
