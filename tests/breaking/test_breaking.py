"""Ways to break a run. Each ends soon, with one line of cause and the right exit code, and keeps what was measured."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.breaking import (
    rows_commands,
    rows_failures,
    rows_machine,
    rows_options,
    rows_servers,
    rows_workers,
)
from tests.breaking.place import LIMIT_S, ROOT, Ended, Row, Shard

pytestmark = pytest.mark.e2e

TABLE: dict[str, Row] = {
    row.name: row
    for row in (
        *rows_options.ROWS, *rows_options.LIMITS, *rows_options.PROMPTS, *rows_servers.ROWS, *rows_machine.ROWS,
        *rows_workers.ROWS, *rows_failures.ROWS, *rows_commands.ROWS,
    )
}  # fmt: skip
MOST_MIB = 150.0
"""Memory of the process, whatever a server sends or a file holds."""
AT_ONCE = 3
"""Rows that run side by side; under pytest-xdist its workers do that."""


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Outcome]]:
    """The outcome of a row. All chosen rows start at once, a few at a time, in the order of the table."""
    folder = tmp_path_factory.mktemp("rows")
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield lambda name: outcome_of(TABLE[name], folder)
        return
    chosen = [
        item.callspec.params["name"]  # type: ignore[attr-defined]
        for item in request.session.items
        if item.fspath == request.node.fspath and "ended" in getattr(item, "fixturenames", ())
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: dict[str, Future[Outcome]] = {
            name: pool.submit(outcome_of, TABLE[name], folder) for name in chosen
        }
        yield lambda name: futures[name].result()
        for future in futures.values():
            future.cancel()


class Outcome:
    """What a row left behind, looked at before its folder's server goes away."""

    def __init__(self, row: Row, place: Shard, ended: Ended) -> None:
        self.ended = ended
        self.kept = place.run.is_dir()
        self.posts = place.server.posts if place.server is not None else 0
        self.report: subprocess.CompletedProcess[str] | None = None
        if row.begun:
            self.report = subprocess.run(
                [sys.executable, "-m", "chatload", "report", str(place.run)],
                cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
        self.written = ended.output
        if row.lacks and self.kept:
            for path in place.run.rglob("*"):
                if path.is_file():
                    self.written += path.read_text(encoding="utf-8", errors="replace")


def outcome_of(row: Row, folder: Path) -> Outcome:
    """Run a row in a folder of its own."""
    own = folder / re.sub(r"\W+", "-", row.name)
    own.mkdir()
    place = Shard(own)
    try:
        return Outcome(row, place, row.do(place))
    finally:
        place.close()


@pytest.mark.parametrize("name", TABLE)
def test_it_ends_soon_and_says_why(name: str, ended: Callable[[str], Outcome]) -> None:
    row, outcome = TABLE[name], ended(name)
    found, shown = outcome.ended, outcome.ended.output[-3000:]
    assert found.code is not None, f"it never ended\n{shown}"
    assert "Traceback" not in found.output, shown
    told = found.output + (outcome.report.stdout if outcome.report is not None else "")
    starved = found.code == 4 and row.code in (0, 1) and "NOT TRUSTWORTHY" in told
    assert found.code == row.code or starved, f"exit code {found.code}\n{shown}"
    assert found.seconds <= LIMIT_S, f"{found.seconds:.1f} s\n{shown}"
    assert found.peak_mib <= MOST_MIB, f"{found.peak_mib:.0f} MiB"
    causes = set(found.lines_with(row.says))
    assert causes or not row.says, f"nothing says {row.says}\n{shown}"
    if row.code == 2:
        assert len(causes) == 1, "\n".join(causes)
    if row.has:
        assert re.search(row.has, found.output), shown
    if row.lacks:
        assert not re.search(row.lacks, outcome.written), row.lacks
    if row.begun:
        assert outcome.report is not None
        assert outcome.report.returncode == 0, outcome.report.stderr
        assert "Traceback" not in outcome.report.stderr
    elif row.code == 2 and outcome.posts == 0:
        assert not outcome.kept, "a run folder was made, although the run was refused"
