"""Numbers and tables as a reader sees them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from chatload.analysis.distribution import describe
from chatload.model.sanitize import columns
from chatload.model.words import percent, plural
from chatload.render.text_table import (
    fit,
    number,
    range_words,
    seconds,
    share,
    statistic,
    table,
    table_that_fits,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (math.inf, "–"), (0, "0"), (0.123, "0.12"), (9.994, "9.99"), (9.996, "10.0"), (99.94, "99.9"),
     (99.96, "100"), (1234.5, "1,234"), (99_999, "99,999"), (123_456, "123k"), (1e6, "1,000k")],
)  # fmt: skip
def test_number(value: float | None, words: str) -> None:
    assert number(value) == words


def test_seconds() -> None:
    assert [seconds(ms) for ms in (None, 20.04, 999.4, 1234)] == ["–", "20.0 ms", "999 ms", "1.23 s"]


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "–"), (0, 10, "0.0 %"), (1, 10, "10.0 %"), (1, 100_000, "<0.1 %"), (99_999, 100_000, ">99.9 %"),
     (10, 10, "100.0 %")],
)  # fmt: skip
def test_share_never_rounds_to_none_or_all(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words


def test_plural() -> None:
    assert [plural(1, "turn"), plural(1000, "turn"), plural(2, "reply")] == [
        "1 turn",
        "1,000 turns",
        "2 replies",
    ]


def test_statistic_says_how_many_it_takes() -> None:
    assert statistic(describe([5.0]), "p99") == "n<368"
    assert statistic(describe([5.0] * 400), "p99") == "5.00"


def test_table_counts_columns_not_characters() -> None:
    assert table([["日本", "1"], ["a", "22"]]) == ["日本   1", "a     22"]


def test_a_table_that_is_too_wide_is_closer_then_several() -> None:
    row = ["row", *(f"{i:>9}" for i in range(7))]
    assert table_that_fits([row]) == table([row], gap=1)
    lines = table_that_fits([["", *(f"run {i:>9}" for i in range(9))], ["users", *map(str, range(9))]])
    assert lines.count("") == 1
    assert all(columns(line) <= 78 for line in lines)
    assert [word for line in lines if line.startswith("users") for word in line.split()[1:]] == [
        *map(str, range(9))
    ]


def test_one_cell_wider_than_the_line_stands_in_a_table_of_its_own() -> None:
    lines = table_that_fits([["a", "x" * 100, "y"]])
    assert lines == [f"a  {'x' * 100}", "", "a  y"]


def test_an_interval_that_n_cannot_give_says_so() -> None:
    assert (range_words((1.0, 20.0)), range_words(None)) == ("1.00 … 20.0", "n too small")


@pytest.mark.parametrize("left", [1, 2])
def test_where_no_two_columns_fit_cells_are_cut(left: int) -> None:
    try:
        fit(24)
        rows = [["a very long name of a row", "unit of a figure in words", "1,234", "x" * 30]]
        lines = table_that_fits(rows, left)
    finally:
        fit(None)
    assert max(map(columns, lines)) <= 22
    assert sum(line.startswith("a very") for line in lines) == 3, "each part has the first column"
    assert "1,234" in " ".join(lines)


def test_percent_is_written_one_way() -> None:
    """“9 %”: by `percent`, and not by Python's own format, which writes “9%”. JMeter's table and SVG have theirs."""
    assert (percent(0.09), percent(0.0912, 1), percent(1)) == ("9 %", "9.1 %", "100 %")
    theirs = {"jmeter_aggregate.py", "svg_renderer.py"}
    sources = [path for folder in ("chatload", "plots") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 200
    others = [path.name for path in sources if re.search(r":[.\d]*%\}", path.read_text(encoding="utf-8"))]
    assert not {*others} - theirs
