"""The pictures in report.html: each file of plots/, drawn by matplotlib, as SVG that stretches with the page."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Drawing
from matplotlib.image import imread

from chatload.live.page import CHARTED
from chatload.render.blocks import Figure
from chatload.store.journal import Run, read_run
from plots.picture import Picture, drawn
from plots.registry import PICTURES
from plots.report.figures import figure_of, figures
from tests.runs_builder import HERE

ROOT = Path(__file__).parents[2]
INVENTED = """
TITLE = "How many turns were invented?"
NOTE = "A caption of its own."

def draw(runs, figure):
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0, 5, 10], label="turns")
    axes.set_xlabel("time (s)")
    axes.set_ylabel("turns")
"""
BROKEN = INVENTED + "    raise ValueError('no\\nsuch column')\n"
ADDED = """
import sys, plots
from pathlib import Path
plots.__path__.append(sys.argv[1])
from chatload.__main__ import main as chatload
from lab.study.gallery import gallery
from plots.__main__ import main as draw
run, out = sys.argv[2:]
print(draw([run, "--out", out, "--format", "svg"]))
print(chatload(["report", run, "--html", out + "/report.html"]))
print("gallery:", *(shown.picture for shown in gallery()))
"""


def added(tmp_path: Path, text: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """What `python -m plots`, report.html and the gallery do with one more file in plots/; the report."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "invented.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", ADDED, str(tmp_path / "more"), str(HERE / "tiny"), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return done, (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.e2e
def test_an_added_file_is_drawn_reported_and_in_the_gallery(tmp_path: Path) -> None:
    done, page = added(tmp_path, INVENTED)
    assert str(tmp_path / "out" / "invented.svg") in done.stdout
    assert "invented" in done.stdout.split("gallery:")[1].split()
    assert "<h3>How many turns were invented?</h3>" in page
    assert "A caption of its own." in page
    assert ">time (s)</p>" in page


@pytest.mark.e2e
@pytest.mark.parametrize("text", [BROKEN, "import no_such_module\nTITLE = '?'\n"], ids=["draws", "imports"])
def test_a_picture_that_fails_is_one_line_and_the_others_stand(tmp_path: Path, text: str) -> None:
    done, page = added(tmp_path, text)
    words = "no such column" if "column" in text else "No module named"
    assert done.stdout.splitlines().count("2") == 1, "exit code of python -m plots"
    assert len(done.stderr.splitlines()) == 1
    for said in (done.stderr, page):
        assert "plots/invented.py failed: " in said
        assert words in said
    assert "How long do users wait for the first token?" in page
    assert (tmp_path / "out" / "ttft_cdf.svg").exists()


def runs(*names: str) -> list[Run]:
    return [read_run(HERE / name) for name in names]


def one(draw: object) -> Figure:
    return figure_of(Picture("x", "?", draw), runs("tiny"))  # type: ignore[arg-type]


def test_the_page_shows_the_same_titles_captions_labels_and_legend_as_the_files() -> None:
    chosen = runs("tiny", "tgi")
    for found in figures(chosen):
        picture = next(one for one in PICTURES.values() if one.title == found.question)
        drawing = drawn(picture, chosen)
        assert found.note == picture.note
        assert len(found.charts) == len(drawing.axes)
        labels = [words for axes in drawing.axes for words in axes.get_legend_handles_labels()[1]]
        assert [words for _, words in found.legend] == list(dict.fromkeys(labels))
        for axes, chart in zip(drawing.axes, found.charts, strict=True):
            for words in (axes.get_ylabel(), axes.get_title(loc="left"), axes.get_xlabel()):
                assert words in chart


@pytest.mark.parametrize(
    ("picture", "quantities"),
    [
        ("over_time", ("ttft", "output", "users_in_flight")),
        ("tokens_per_s", ("felt", "decode")),
        ("throughput_levels", ("output", "one_user")),
    ],
)
def test_page_files_and_live_page_call_a_quantity_the_same(picture: str, quantities: tuple[str, ...]) -> None:
    script = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "chatload/live/assets").glob("*.js"))
    drawing = drawn(PICTURES[picture], runs("vllm"))
    charts = figure_of(PICTURES[picture], runs("vllm")).charts
    for name, axes, chart in zip(quantities, drawing.axes, charts, strict=True):
        live = CHARTED[name]
        assert f'"{name}"' in script or f"quantities.{name}." in script
        assert axes.get_title(loc="left").split(" (")[0] == live.title
        assert axes.get_ylabel() == live.unit
        assert f">{live.title}" in chart and f" · {live.unit}</p>" in chart


def test_data_stretch_and_colours_are_the_page_s(tmp_path: Path) -> None:
    def draw(runs: Sequence[Run], figure: Drawing) -> None:
        axes = figure.subplots()
        axes.plot([0, 5, 10], [0, 100, 100], color="#0072B2", linewidth=2)
        axes.fill_between([0, 10], [50, 50], color="#D55E00", alpha=0.2, linewidth=0)
        axes.axvline(5, color="#123456")
        axes.set(xlim=(0, 10), ylim=(0, 100))

    chart = one(draw).charts[0]
    assert 'd="M0 1000L500 0H1000" stroke="var(--c0)" stroke-width="2" fill="none"' in chart
    assert 'fill="var(--c1)"' in chart and 'opacity="0.2"' in chart
    assert 'd="M500 1000V0" stroke="#123456"' in chart
    assert 'viewBox="0 0 1000 1000" preserveAspectRatio="none"' in chart
    assert " id=" not in chart and " style=" not in chart, "ids could meet each other, styles are forbidden"
    ticks = re.findall(
        r'<line x1="0" x2="100%" y1="([\d.]+)%"[^>]*><[^>]*></line>|class="tick"[^>]*>([^<]+)<', chart
    )
    assert {words for _, words in ticks} >= {"0", "20", "100"}


def test_markers_and_texts_keep_their_size_and_many_markers_are_dots() -> None:
    def draw(runs: Sequence[Run], figure: Drawing) -> None:
        axes = figure.subplots()
        axes.plot([2], [25], "o", color="#0072B2", markersize=8)
        axes.plot([4, 20], [25, 25], "x", color="#0072B2", markersize=7)
        axes.plot(np.linspace(0, 10, 500), np.linspace(0, 100, 500), "o", color="#009E73", markersize=3)
        axes.text(5, 50, "<b>a limit", rotation=90)
        axes.set(xlim=(0, 10), ylim=(0, 100))

    chart = one(draw).charts[0]
    assert 'cx="20.00%" cy="75.00%" r="4"' in chart
    assert chart.count('<svg x="40.00%" y="75.00%" class="mark">') == 1
    assert chart.count('class="mark"') == 2, "the marker outside the axes is left out"
    assert chart.count('stroke="var(--c2)"') == 1 and chart.count("h0") > 300
    assert '<text text-anchor="start" class="name" transform="rotate(-90)">&lt;b&gt;a limit</text>' in chart


def test_an_image_is_the_right_way_up() -> None:
    def draw(runs: Sequence[Run], figure: Drawing) -> None:
        figure.subplots().imshow([[0.0, 0.0], [1.0, 1.0]], aspect="auto", cmap="gray", interpolation="none")

    chart = one(draw).charts[0]
    png = re.search(r'href="data:image/png;base64,([^"]+)"', chart)
    assert png
    pixels = imread(io.BytesIO(base64.b64decode(png[1])), format="png")
    assert pixels[0, 0, 0] == 0 and pixels[-1, 0, 0] == 1, "the first row of the data is on top"


def test_pointing_at_a_turn_or_a_mark_tells_its_numbers() -> None:
    found = {figure.question: figure for figure in figures(runs("vllm"))}
    swim = "".join(found["Who waits, and when?"].charts)
    assert swim.count('class="point"') == swim.count("<title>user ") == 100
    cdf = "".join(found["How long do users wait for the first token?"].charts)
    assert re.search(r"<circle [^>]*><title>[^<]+: p95 202 ms</title></circle>", cdf)
