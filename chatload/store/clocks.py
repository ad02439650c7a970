"""Clocks of several hosts: a worker's instants told in the master's clock.

Each host counts its monotonic ns from its own boot. The master measures how far each worker's clock is from
its own, again and again while the run goes on; journals keep the worker's own instants, readers shift them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DRIFT = 100e-6
"""How fast we take two clocks to part, s/s: quartz strays by some 50 ppm each way."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One answer of a worker to "what does your clock say?".

    offset = master − worker, taken at the middle of the round trip: wrong by half of it at most.
    """

    at_ns: int
    offset_ns: int
    round_trip_ns: int

    def words(self) -> dict[str, int]:
        """The reading for the manifest."""
        return {"at_ns": self.at_ns, "offset_ns": self.offset_ns, "round_trip_ns": self.round_trip_ns}


def worth_keeping(new: ClockReading, kept: Sequence[ClockReading]) -> bool:
    """A reading is worth keeping when it is surer than the last one has become by drifting since."""
    if not kept:
        return True
    drifted_ns = DRIFT * (new.at_ns - kept[-1].at_ns)
    return new.round_trip_ns / 2 <= kept[-1].round_trip_ns / 2 + drifted_ns


class WorkerClock:
    """Turns one worker's instants into the master's: linear between readings, constant before and after."""

    def __init__(self, readings: Sequence[tuple[int, int]]) -> None:
        """`readings` are (worker's instant, offset) pairs."""
        self._readings = sorted(readings)
        self._instants = [instant for instant, _ in self._readings]

    @property
    def same(self) -> bool:
        """True when the worker's clock is the master's."""
        return not any(offset for _, offset in self._readings)

    def offset_ns(self, instant_ns: int) -> int:
        """What to add to the worker's instant."""
        if not self._readings:
            return 0
        after = bisect_right(self._instants, instant_ns)
        if after == 0 or after == len(self._readings):
            return self._readings[max(0, after - 1)][1]
        (before_ns, low), (after_ns, high) = self._readings[after - 1], self._readings[after]
        return low + round((high - low) * ((instant_ns - before_ns) / (after_ns - before_ns)))

    def shifted(self, line: dict[str, Any]) -> dict[str, Any]:
        """A journal line with its instants in the master's clock.

        One offset for the whole line, so that no time within a turn changes.
        """
        anchor = line.get("due_ns", line.get("at_ns"))
        if self.same or not isinstance(anchor, int):
            return line
        offset = self.offset_ns(anchor)
        return {
            key: value + offset
            if key.endswith("_ns") and key != "utc_ns" and isinstance(value, int)
            else value
            for key, value in line.items()
        }


def clock_of_readings(readings: Sequence[ClockReading]) -> WorkerClock:
    """The clock as the master measured it."""
    return WorkerClock([(reading.at_ns - reading.offset_ns, reading.offset_ns) for reading in readings])


def clocks_of(manifest: Mapping[str, Any]) -> dict[str, WorkerClock]:
    """The clock of each worker of a run; what is no reading is passed over."""
    workers = manifest.get("workers")
    if not isinstance(workers, Mapping):
        return {}
    found = {}
    for worker, facts in workers.items():
        rows = facts.get("clock") if isinstance(facts, Mapping) else None
        readings = [
            ClockReading(row["at_ns"], row["offset_ns"], 0)
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, Mapping)
            and isinstance(row.get("at_ns"), int)
            and isinstance(row.get("offset_ns"), int)
        ]
        if readings:
            found[str(worker)] = clock_of_readings(readings)
    return found
