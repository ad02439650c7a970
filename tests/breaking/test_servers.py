"""Servers that refuse, lie, flood, fall silent or die."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breaking.place import Row
from tests.breaking.rows_servers import ROWS
from tests.breaking.table import cases, check


@pytest.mark.e2e
@pytest.mark.parametrize("row", cases(ROWS))
def test_it_ends_soon_and_says_why(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
