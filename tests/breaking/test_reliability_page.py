"""docs/reliability.md names a test for each thing that can go wrong, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.breaking.table import TABLE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """The cells of every row of the tables whose last column names tests, headings left out."""
    found, wanted = [], False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            wanted = False
        elif cells[-1] == "Test":
            wanted = True
        elif wanted and not line.startswith("|-"):
            found.append(cells)
    return found


def functions() -> set[str]:
    """The names of all test functions."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    return {name for text in texts for name in re.findall(r"^\s*def (test_\w+)", text, re.MULTILINE)}


def test_each_row_of_the_page_names_tests_that_are_there() -> None:
    known = functions()
    assert len(rows()) >= 40
    for row in rows():
        assert len(row) == 5, row
        names = re.findall(r"`([^`]+)`", row[-1])
        assert names, f"names no test: {row[0]}"
        for name in names:
            found = name in TABLE or any(function.startswith(name.rstrip("…")) for function in known)
            assert found, f"no such test: {name} ({row[0]})"


def test_its_exit_codes_are_those_of_the_table() -> None:
    """Where a row of the page is a row of the table, both name the same exit code."""
    for row in rows():
        for name in re.findall(r"`([^`]+)`", row[-1]):
            if name in TABLE:
                assert str(TABLE[name].code) in row[3], f"{row[0]}: {name} ends with {TABLE[name].code}"


def test_the_page_fits_a_window() -> None:
    assert [line for line in PAGE.splitlines() if len(line) > 120] == []
