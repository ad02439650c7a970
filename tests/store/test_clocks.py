"""Workers on hosts whose clocks count from elsewhere: readers tell every instant in the master's clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.model.errors import UsageError
from chatload.model.hosts import ClockReading
from chatload.model.journal_lines import StartLine, UserLine
from chatload.model.turn import Turn
from chatload.store.clocks import WorkerClock, clocks_of, shifted, worth_keeping
from chatload.store.journal import read_run
from chatload.store.manifest import Manifest, WorkerFacts
from tests.changes import replace
from tests.runs_builder import TINY, good_turns, manifest_of, user_lines, write_run

INSTANTS = tuple(name for name in Turn.__struct_fields__ if name.endswith("_ns"))
FAR_NS = 7_000_000_000_000


def away(turn: Turn, offset_ns: int) -> Turn:
    """The turn as a worker wrote it whose clock is behind the master's by `offset_ns`."""
    found = {name: getattr(turn, name) for name in INSTANTS}
    moved = {name: value - offset_ns for name, value in found.items() if value is not None}
    return replace(turn, worker="far", **moved)


def write(folder: Path, workers: Any, start_offset_ns: int | None = None) -> list[Turn]:
    turns = good_turns(TINY)
    moved = [away(turn, FAR_NS) for turn in turns]
    write_run(folder, manifest_of(TINY, moved) | {"workers": workers}, moved, user_lines(moved))
    journal = folder / "journal-far.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    lines[0]["clock_offset_ns"] = start_offset_ns
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return turns


def test_a_far_worker_s_turns_are_told_in_the_master_s_clock(tmp_path: Path) -> None:
    row = {"at_ns": 10_000_000_000, "offset_ns": FAR_NS, "round_trip_ns": 200_000}
    turns = write(tmp_path, {"far": {"clock": [row]}})
    run = read_run(tmp_path)
    assert [replace(turn, worker="local") for turn in run.turns] == [
        replace(turn, worker="local") for turn in sorted(turns, key=lambda turn: (turn.due_ns, turn.turn_id))
    ]
    assert all(line.at_ns >= 0 for line in run.users)


def test_a_killed_master_s_manifest_lacks_it_the_start_line_has_it(tmp_path: Path) -> None:
    turns = write(tmp_path, {}, FAR_NS)
    assert min(turn.due_ns for turn in read_run(tmp_path).turns) == min(turn.due_ns for turn in turns)


def test_between_two_readings_the_offset_drifts_evenly() -> None:
    clock = WorkerClock([(1_000, 50), (3_000, 70)])
    assert [clock.offset_ns(at) for at in (0, 1_000, 2_000, 3_000, 9_000)] == [50, 50, 60, 70, 70]


def test_nothing_within_a_turn_changes() -> None:
    clock = WorkerClock([(0, 0), (1_000_000, 1_000_000)])
    turn = Turn(
        turn_id="t", request_id="r", user=0, turn=1, due_ns=10, end_ns=900_000, connect_ms=3.0, text="a"
    )
    moved = shifted(turn, clock)
    assert isinstance(moved, Turn)
    assert (moved.due_ns, moved.end_ns - moved.due_ns) == (20, 899_990)
    assert (moved.connect_ms, moved.text, moved.sent_ns) == (3.0, "a", None)


def test_wall_time_and_offsets_are_no_instants() -> None:
    line = StartLine(at_ns=10, utc_ns=5, clock_offset_ns=7)
    assert shifted(line, WorkerClock([(0, 100)])) == StartLine(at_ns=110, utc_ns=5, clock_offset_ns=7)


def test_the_same_clock_changes_no_line() -> None:
    line = UserLine(at_ns=10, user=0, event="in")
    for readings in ([(5, 0), (9, 0)], []):
        assert shifted(line, WorkerClock(readings)) == UserLine(at_ns=10, user=0, event="in")


def test_a_wide_reading_soon_after_a_tight_one_is_thrown_away() -> None:
    def read(at_ns: int, round_trip_ns: int) -> ClockReading:
        return ClockReading(at_ns=at_ns, offset_ns=9, round_trip_ns=round_trip_ns)

    tight = read(0, 200_000)
    assert not worth_keeping(read(1_000_000_000, 20_000_000), [tight])
    assert worth_keeping(read(600_000_000_000, 20_000_000), [tight])
    assert worth_keeping(read(1_000_000_000, 190_000), [tight])


@pytest.mark.parametrize(
    "workers",
    [None, [], "x", {"far": None}, {"far": {"clock": "x"}}, {"far": {"clock": [1, {"at_ns": "x"}]}}],
)
def test_a_manifest_whose_readings_are_none_is_damaged(tmp_path: Path, workers: Any) -> None:
    write(tmp_path, workers)
    with pytest.raises(UsageError, match=r"damaged .*\$\.workers"):
        read_run(tmp_path)


def test_a_worker_that_told_no_clock_has_none() -> None:
    assert clocks_of(Manifest(workers={"far": WorkerFacts()})) == {}


@given(
    st.lists(st.tuples(st.integers(0, 10**15), st.integers(-(10**15), 10**15)), max_size=5),
    st.integers(-(10**15), 10**16),
)
def test_an_offset_is_never_outside_what_was_read(readings: list[tuple[int, int]], at_ns: int) -> None:
    offsets = [offset for _, offset in readings] or [0]
    assert min(offsets) <= WorkerClock(readings).offset_ns(at_ns) <= max(offsets)
