"""What raises in the middle of a run, and what a run that an error ended leaves behind."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.breaking.place import Row, Shard
from tests.breaking.rows_failures import ALONE, ROWS, alone
from tests.breaking.table import cases, check

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("row", cases(ROWS))
def test_it_ends_soon_and_says_why(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)


def test_users_of_a_failed_run_are_stopped_before_its_journal_is_closed(tmp_path: Path) -> None:
    """An error comes while replies run: who came in went out, and the turns in flight are there as interrupted."""
    place = Shard(tmp_path)
    try:
        ended = place.locust(base=ALONE, environment={"FAULT": "greenlet"}, delay_s=15.0)
        report = place.chatload("report", str(place.run))
    finally:
        place.close()
    assert ended.code == 2, ended.output
    assert ended.seconds < 12, "the error came after 0.3 s"
    journal = [json.loads(line) for line in (place.run / "journal-local.jsonl").read_text().splitlines()]
    users = Counter(line["event"] for line in journal if line["kind"] == "user")
    assert users["in"] == users["out"] > 0
    assert {line["code"] for line in journal if line["kind"] == "turn"} == {"interrupted"}
    assert journal[-1]["kind"] == "end"
    assert "The run failed: RuntimeError: planted in greenlet" in " ".join(report.output.split())


def test_the_line_of_cause_is_told_once_however_many_users_it_hit(tmp_path: Path) -> None:
    place = Shard(tmp_path)
    try:
        ended = alone("task")(place)
    finally:
        place.close()
    assert len(ended.lines_with("^chatload: the run failed: ")) == 1, ended.output
