"""Options, limits and input files that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breaking.place import Row
from tests.breaking.rows_options import LIMITS, PROMPTS, ROWS
from tests.breaking.table import check


@pytest.mark.e2e
@pytest.mark.parametrize("row", ROWS + LIMITS + PROMPTS, ids=lambda row: row.name)
def test_it_ends_soon_and_says_why(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
