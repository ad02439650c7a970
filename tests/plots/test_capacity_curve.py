"""The picture of a capacity search, and its part of report.html: what is drawn is what its levels hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.capacity_levels import curves
from chatload.analysis.summary import summarise
from chatload.render.capacity_table import capacity
from chatload.store.journal import Run, read_run
from plots.__main__ import fitting
from plots.picture import drawn
from plots.registry import PICTURES
from plots.report.figures import figure_of
from tests.runs_builder import HERE, Shape, good_turns, manifest_of, user_lines, write_run

TTFT = {
    8: (120.0, 100.0, None, "undecided"),
    32: (300.0, 220.0, 420.0, "met"),
    44: (700.0, 560.0, 900.0, "missed"),
    64: (None, None, None, "missed"),
}
GOOD = {
    8: (1.0, 0.7, 1.0, "undecided"),
    32: (0.99, 0.96, 1.0, "met"),
    44: (0.85, 0.8, 0.9, "missed"),
    64: (0.0, 0.0, 0.1, "missed"),
}


def judged(slo: str, metric: str, of: tuple[Any, ...]) -> dict[str, Any]:
    value, low, high, verdict = of
    return {
        "slo": slo,
        "verdict": verdict,
        "metric": metric,
        "value": value,
        "interval": [low, high],
        "turns": 100,
        "conversations": 20,
        "turns_needed": None,
    }


def found(**more: Any) -> dict[str, Any]:
    rungs = [
        {
            "users": users,
            "verdict": TTFT[users][3],
            "passed": users < 44,
            "turns": 100,
            "windows": 1,
            "groups": ["g"],
            "slo": [
                judged("p95 ttft_ms <= 500", "ttft_ms", TTFT[users]),
                judged("goodput >= 95%", "goodput", GOOD[users]),
                {**judged("ttft_ms <= 500", "ttft_ms", GOOD[users]), "verdict": "part"},
            ],
        }
        for users in (64, 8, 44, 32)
    ]
    return {"ladder": rungs, **more}


ANSWER = {"users": 32, "surely_met": 32, "surely_missed": 44, "interval": [30, 46]}


def made(folder: Path, capacity: dict[str, Any]) -> Run:
    shape = Shape(users=2, turns=2)
    turns = good_turns(shape)
    manifest = manifest_of(shape, turns) | {"capacity": capacity}
    manifest["plan"]["slo"] = ["p95 ttft_ms <= 500", "goodput >= 95%", "ttft_ms <= 500"]
    return read_run(write_run(folder, manifest, turns, user_lines(turns)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made(tmp_path / "run", found(**ANSWER))


def test_each_slo_is_a_curve_over_the_users_in_its_own_unit(run: Run) -> None:
    ttft, good = curves(run.manifest)
    assert (ttft.limit, ttft.unit, good.limit, good.unit) == (500.0, "ms", 95.0, "%")
    assert [level.users for level in ttft.levels] == [8, 32, 44, 64]
    assert [level.value for level in ttft.levels] == [120.0, 300.0, 700.0, None]
    assert [level.low for level in good.levels] == pytest.approx([70, 96, 80, 0])
    assert [level.high for level in good.levels] == pytest.approx([100, 100, 90, 10])


def test_the_picture_holds_limit_levels_verdicts_and_answer(run: Run) -> None:
    above, below = drawn(PICTURES["capacity_curve"], [run]).axes
    assert above.get_title(loc="left") == "p95 TTFT (ms); dashed: the limit, at most 500"
    assert below.get_title(loc="left") == "goodput (%); dashed: the limit, at least 95"
    top = above.get_ylim()[1]
    assert top == pytest.approx(1.1 * 900)
    levels = next(line for line in above.lines if len(line.get_xdata()) == 4)
    assert list(levels.get_ydata()) == [120.0, 300.0, 700.0, top], "endless is on the edge"
    marks = {
        line.get_xdata()[0]: line.get_marker()
        for line in above.lines
        if line.get_linestyle() == "None" and len(line.get_xdata())
    }
    assert marks == {8: "D", 32: "o", 44: "X", 64: "X"}
    bars = [path.vertices[:, 1].tolist() for part in above.collections for path in part.get_paths()]
    assert [100.0, top] in bars
    assert [220.0, 420.0] in bars
    band = above.patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == (30, 46)
    names = [text.get_text() for text in above.figure.legends[0].get_texts()]
    assert names[0].endswith(": 32 users (30 to 46)")


def test_a_level_whose_value_could_not_be_measured_has_no_point_and_says_so(tmp_path: Path) -> None:
    """As felt speed behind a proxy that holds the stream: 0 tokens/s would be a false claim."""
    levels = found(**ANSWER)
    for level in levels["ladder"]:
        if level["users"] == 64:
            level["slo"][0] |= {"verdict": "undecided", "turns": 0, "interval": None}
    above = drawn(PICTURES["capacity_curve"], [made(tmp_path / "run", levels)]).axes[0]
    line = next(line for line in above.lines if len(line.get_xdata()) == 4)
    assert list(line.get_ydata())[:3] == [120.0, 300.0, 700.0]
    assert math.isnan(line.get_ydata()[3])
    assert [text.get_text().strip() for text in above.texts] == ["not measurable"]
    assert 64 not in [
        one.get_xdata()[0] for one in above.lines if one.get_linestyle() == "None" and len(one.get_xdata())
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "search not finished"),
        ({"users": 32, "interval": [30, None]}, "(at least 30)"),
        ({"users": 32, "interval": [None, 46]}, "(at most 46)"),
        ({"users": 32, "surely_met": 32, "surely_missed": 44}, "(30 to 46)"),
    ],
)
def test_an_open_interval_and_an_unfinished_search_are_said(
    tmp_path: Path, answer: dict[str, Any], words: str
) -> None:
    run = made(tmp_path / "run", found(**answer))
    figure = drawn(PICTURES["capacity_curve"], [run])
    assert words in figure.legends[0].get_texts()[0].get_text()
    assert capacity(run, summarise(run))


def test_it_is_drawn_unasked_only_for_a_search(run: Run) -> None:
    assert "capacity_curve" in fitting([run])
    plain = read_run(HERE / "vllm")
    assert "capacity_curve" not in fitting([plain])
    assert capacity(plain, summarise(plain)) is None
    assert "no capacity search" in drawn(PICTURES["capacity_curve"], [plain]).axes[0].texts[0].get_text()


def test_the_page_holds_the_same(run: Run) -> None:
    figure = figure_of(PICTURES["capacity_curve"], [run])
    page = "".join(figure.charts)
    assert (figure.section, len(figure.charts)) == ("capacity", 2)
    assert "44 users: 700 ms, missed, 100 turns" in page
    assert "64 users: endless, missed, 100 turns" in page
    assert "95 % interval" in figure.note
    assert figure.legend[0][1].endswith(": 32 users (30 to 46)")
