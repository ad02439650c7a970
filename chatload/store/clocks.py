"""Converts a worker's instants to the master's clock.

Each host counts monotonic ns from its own boot. During a run the master repeatedly measures the offset of each worker's
clock. Journals have the worker's own instants; readers add the offsets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from chatload.model.hosts import ClockReading
from chatload.model.journal_lines import LINE_KINDS, JournalLine
from chatload.model.turn import Turn
from chatload.store.manifest import Manifest

DRIFT = 100e-6
"""Assumed drift between two clocks, in s/s: that of a quartz clock is about 50 ppm."""


def worth_keeping(new: ClockReading, kept: Sequence[ClockReading]) -> bool:
    """Whether a reading is at least as accurate as the last kept one is after the drift since then."""
    if not kept:
        return True
    drifted_ns = DRIFT * (new.at_ns - kept[-1].at_ns)
    return new.round_trip_ns / 2 <= kept[-1].round_trip_ns / 2 + drifted_ns


class WorkerClock:
    """Offsets of one worker's clock: linear between readings, constant before the first and after the last."""

    def __init__(self, readings: Sequence[tuple[int, int]]) -> None:
        """`readings` are (worker's instant, offset) pairs."""
        self._readings = sorted(readings)
        self._instants = [instant for instant, _ in self._readings]

    @property
    def same(self) -> bool:
        """True if the worker's clock is the master's."""
        return not any(offset for _, offset in self._readings)

    def offset_ns(self, instant_ns: int) -> int:
        """The offset to add to an instant of the worker's clock."""
        if not self._readings:
            return 0
        after = bisect_right(self._instants, instant_ns)
        if after == 0 or after == len(self._readings):
            return self._readings[max(0, after - 1)][1]
        (before_ns, low), (after_ns, high) = self._readings[after - 1], self._readings[after]
        return low + round((high - low) * ((instant_ns - before_ns) / (after_ns - before_ns)))


_NO_INSTANTS = ("utc_ns", "clock_offset_ns")
"""Fields in ns that are not instants of the monotonic clock."""
_INSTANTS: dict[type, tuple[str, ...]] = {
    kind: tuple(name for name in kind.__struct_fields__ if name.endswith("_ns") and name not in _NO_INSTANTS)
    for kind in LINE_KINDS
}


def shifted(line: JournalLine, clock: WorkerClock) -> JournalLine:
    """The line with its instants in the master's clock. Changes the frozen line in place: nothing may share it.

    The whole line has one offset, so that no duration within a turn changes.
    """
    if clock.same:
        return line
    offset = clock.offset_ns(line.due_ns if isinstance(line, Turn) else line.at_ns)
    for name in _INSTANTS[type(line)]:
        value = getattr(line, name)
        if value is not None:
            msgspec.structs.force_setattr(line, name, value + offset)
    return line


def clock_of_readings(readings: Sequence[ClockReading]) -> WorkerClock:
    """The worker's clock from the master's readings."""
    return WorkerClock([(reading.at_ns - reading.offset_ns, reading.offset_ns) for reading in readings])


def clocks_of(manifest: Manifest) -> dict[str, WorkerClock]:
    """The clock of each worker that has readings."""
    return {
        worker: clock_of_readings(facts.clock) for worker, facts in manifest.workers.items() if facts.clock
    }
