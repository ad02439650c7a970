"""Rows of bars in the terminal."""

from __future__ import annotations

from chatload.analysis.summary import summarise
from chatload.model.sanitize import columns
from chatload.render.sparkline import over_time, sparkline
from chatload.store.journal import read_run
from tests.runs_builder import HERE


def test_bars_go_from_zero_to_the_highest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇██"
    assert sparkline([5, None, 10]) == "▅·█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([1, 2], top=8) == "▂▃"
    assert sparkline([]) == ""


def test_the_section_fits_and_tells_the_peak_in_flight() -> None:
    run = read_run(HERE / "vllm")
    section = over_time(run, summarise(run))
    assert section is not None
    (block,) = section.blocks
    lines = block.text.split("\n")  # type: ignore[union-attr]
    assert all(columns(line) <= 78 for line in lines)
    level = most = 0
    for _, change in sorted([(t.sent_ns or 0, 1) for t in run.turns] + [(t.end_ns, -1) for t in run.turns]):
        level += change
        most = max(most, level)
    assert lines[-1].endswith(f"… {most}.0")


def test_a_run_of_a_moment_has_none() -> None:
    assert over_time(read_run(HERE / "unreachable"), summarise(read_run(HERE / "unreachable"))) is None
