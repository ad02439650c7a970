"""report.html as a reader meets it: on a phone and in the dark, pointing at a turn; and full of hostile words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from chatload.analysis.summary import summarise
from chatload.render.html import report_html
from chatload.store.journal import Run, read_run
from plots.picture import Picture
from plots.report.figures import figure_of, figures
from tests.live.conftest import look_as
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, user_lines, write_run

pytestmark = pytest.mark.e2e

OWNED = "<script>document.title='owned'</script>\"><img src=x onerror=\"document.title='owned'\">"
SMALLEST_TEXT_PX = 12
TEXT_PX = """return Math.min(...[...document.querySelectorAll('.plot text, .axis-name')].filter((t) => t.textContent)
    .map((t) => {
      const to_screen = t.getScreenCTM ? t.getScreenCTM() : { a: 1, b: 0 };
      return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(to_screen.a, to_screen.b);
    }))"""
POINTED = """const box = document.querySelectorAll('.point')[20].getBoundingClientRect();
    window.scrollTo(0, box.y + window.scrollY - 200);
    const now = document.querySelectorAll('.point')[20].getBoundingClientRect();
    const hit = document.elementFromPoint(now.x + now.width / 2, now.y + now.height / 2);
    return hit.querySelector('title').textContent"""
LINE_COLOUR = "return getComputedStyle(document.querySelector('.data path[stroke=\"var(--c0)\"]')).stroke"
OVERLAPPING = """return [...document.querySelectorAll('.plot')].filter((plot) => {
    const shown = [...plot.querySelectorAll('text.tick[y="100%"]')].filter((tick) => tick.getClientRects().length);
    const boxes = shown.map((tick) => tick.getBoundingClientRect());
    return boxes.some((box, i) => i && box.left < boxes[i - 1].right);
  }).map((plot) => plot.getAttribute('aria-label'))"""


def many_ticks(runs: Sequence[Run], figure: Figure) -> None:
    """More ticks than a phone has room for."""
    figure.subplots().set_xticks(range(0, 1_100_000, 100_000), [f"{k},000" for k in range(100, 1200, 100)])


@pytest.fixture
def page(tmp_path: Path) -> str:
    run = read_run(HERE / "troubled")
    path = tmp_path / "report.html"
    shown = [*figures([run]), figure_of(Picture("many_ticks", "?", many_ticks), [run])]
    path.write_text(report_html([run], [summarise(run)], shown), encoding="utf-8")
    return f"file://{path}"


def test_text_is_readable_nothing_overflows_and_turns_tell_their_numbers(
    browser: Callable[..., Any], page: str
) -> None:
    colours = set()
    window = browser()
    for width, dark in itertools.product((360, 1280), (False, True)):
        look_as(window, width, dark=dark)
        window.get(page)
        assert window.execute_script("return document.documentElement.scrollWidth") <= width
        assert window.execute_script(TEXT_PX) >= SMALLEST_TEXT_PX
        assert window.execute_script(OVERLAPPING) == []
        assert "first token after" in window.execute_script(POINTED)
        colours.add(window.execute_script(LINE_COLOUR))
        assert not [line for line in window.get_log("browser") if "favicon" not in line["message"]]
    assert len(colours) == 2, "lines are lighter in the dark"


def test_hostile_words_do_nothing_and_the_console_is_silent(
    browser: Callable[..., Any], tmp_path: Path
) -> None:
    """Nothing a server said runs, nothing is asked of any network, no complaint."""
    shape = Shape(users=3, turns=4, text=OWNED, words=OWNED)
    turns = good_turns(shape)
    turns[1] = as_failed(turns[1], "in_band_error", OWNED)
    manifest = manifest_of(shape, turns, label=OWNED, scenario=OWNED)
    evil = read_run(write_run(tmp_path / "run", manifest, turns, user_lines(turns)))
    window = browser()
    for number, runs in enumerate(([evil], [evil, read_run(HERE / "vllm")])):
        page = tmp_path / f"{number}.html"
        page.write_text(report_html(runs, [summarise(run) for run in runs], figures(runs)), encoding="utf-8")
        window.get(f"file://{page}")
        built = window.page_source
        assert window.get_log("browser") == []
        assert window.title != "owned"
        assert "<script" not in built
        assert "<img" not in built
        assert "first token after" in built
