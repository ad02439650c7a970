"""Ways to break a run. Each ends soon, with one line of cause and the right exit code, and keeps what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.breaking import (
    rows_commands,
    rows_failures,
    rows_machine,
    rows_options,
    rows_servers,
    rows_workers,
)
from tests.breaking.place import LIMIT_S, Ended, Row, Shard
from tests.command import chatload

TABLE: dict[str, Row] = {
    row.name: row
    for row in (
        *rows_options.ROWS, *rows_options.LIMITS, *rows_options.PROMPTS, *rows_servers.ROWS, *rows_machine.ROWS,
        *rows_workers.ROWS, *rows_failures.ROWS, *rows_commands.ROWS,
    )
}  # fmt: skip
MOST_MIB = 200.0
"""Memory of the process, whatever a server sends or a file holds."""


def cases(rows: Iterable[Row]) -> list[Any]:
    """The rows as parameters of a test."""
    return [pytest.param(row, id=row.name, marks=[pytest.mark.rare] if row.rare else []) for row in rows]


def check(row: Row, folder: Path) -> None:
    """Run a row in a folder of its own: how it ended, what it said and what it left behind.

    One that ended too late runs again: where the machine was busy with other things, that is not the row's fault.
    """
    for attempt in ("first", "again"):
        own = folder / attempt
        own.mkdir()
        place = Shard(own)
        try:
            ended = row.do(place)
            if attempt == "again" or ended.seconds <= LIMIT_S:
                check_end(row, ended)
                check_what_is_left(row, place, ended)
                return
        finally:
            place.close()


def check_end(row: Row, ended: Ended) -> None:
    """It ended in time, in little memory, and said why in one line."""
    shown = ended.output[-3000:]
    assert ended.code is not None, f"it never ended\n{shown}"
    assert "Traceback" not in ended.output, shown
    assert ended.seconds <= LIMIT_S, f"{ended.seconds:.1f} s\n{shown}"
    assert ended.peak_mib <= MOST_MIB, f"{ended.peak_mib:.0f} MiB"
    causes = set(ended.lines_with(row.says))
    assert causes or not row.says, f"nothing says {row.says}\n{shown}"
    if row.code == 2:
        assert len(causes) == 1, "\n".join(causes)
    if row.has:
        assert re.search(row.has, ended.output), shown


def check_what_is_left(row: Row, place: Shard, ended: Ended) -> None:
    """Its exit code is right, `report` reads its run folder, and nothing secret is in it."""
    kept, told = place.run.is_dir(), ended.output
    if row.begun:
        code, output, errors = chatload("report", place.run)
        assert code == 0, errors
        assert "Traceback" not in errors
        told += output
    elif row.code == 2 and not (place.server and place.server.posts):
        assert not kept, "a run folder was made, although the run was refused"
    starved = ended.code == 4 and row.code in (0, 1) and "NOT TRUSTWORTHY" in told
    assert ended.code == row.code or starved, f"exit code {ended.code}\n{ended.output[-3000:]}"
    if row.lacks:
        files = [path for path in place.run.rglob("*") if path.is_file()] if kept else []
        written = [path.read_text(encoding="utf-8", errors="replace") for path in files]
        assert not re.search(row.lacks, "\n".join([ended.output, *written])), row.lacks
