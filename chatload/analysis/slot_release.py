"""How long a server keeps the slot of a reply that its user hung up on: its own count of requests against ours.

A reading of the server's /metrics tells how many requests it holds (running and waiting). What it holds beyond the
turns that the client has in flight then are requests whose user has gone. They are the hang-ups last before the
reading; the slot of an older hang-up has been released.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from chatload.analysis.server_readings import SLACK_NS, readings_of
from chatload.analysis.servers import by_host
from chatload.model.summary import SlotRelease
from chatload.model.turn import Turn
from chatload.store.journal import Run

MOST_MISSING = 0.1
"""Share of readings that may show fewer requests than are in flight before the server's count is of no use."""

HUNG_UP = ("abandoned", "interrupted", "timeout_first", "timeout_gap", "deadline", "bad_wire")
"""Codes of turns that ended because the client closed the connection."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading between two instants, and how many requests of hung-up turns the server still held: fewest, most.

    `missing` is true where the server counts fewer requests than the client has in flight.
    """

    from_ns: int
    until_ns: int
    fewest: int
    most: int
    missing: bool


def slot_release(run: Run) -> SlotRelease | None:
    """How long slots of abandoned turns were kept; None where nobody hung up as planned.

    The median time from a hang-up to its slot being free again, in s, lies between two bounds.
    """
    run = by_host(run)[
        run.manifest.server.host
    ]  # planned hang-ups are those of users at the run's own server
    gone = sorted((turn for turn in run.every_turn if turn.code in HUNG_UP and turn.sent_ns), key=_end_ns)
    hang_ups = sum(turn.code == "abandoned" for turn in gone)
    if not hang_ups:
        return None
    readings = _readings(run)
    why = _why_unknown(readings, gone)
    if why:
        return SlotRelease(hang_ups=hang_ups, unknown=why)
    bounds = [
        bound for turn, bound in zip(gone, _bounds(readings, gone), strict=True) if turn.code == "abandoned"
    ]
    low, high = median(low for low, _ in bounds), median(high for _, high in bounds)
    every_ns = median(later.until_ns - earlier.until_ns for earlier, later in pairwise(readings))
    return SlotRelease(
        hang_ups=hang_ups,
        freed_s=(round(low / 1e9, 3), None if high == math.inf else round(high / 1e9, 3)),
        not_seen_freed=sum(high == math.inf for _, high in bounds),
        every_s=round(every_ns / 1e9, 3),
    )


def held_beyond_ours(run: Run) -> int:
    """The most requests that the server held beyond those ours can be; 0 where fewer than two readings show any."""
    beyond = [reading.fewest for reading in _readings(run) if reading.fewest]
    return max(beyond) if len(beyond) > 1 else 0


def _readings(run: Run) -> list[Reading]:
    """The readings from the first sent turn on, each with the requests it counts beyond those in flight."""
    sent = sorted(turn.sent_ns for turn in run.every_turn if turn.sent_ns is not None)
    known = [turn for turn in run.every_turn if turn.sent_ns is not None]
    latest = sorted(turn.end_ns + (0 if turn.code in HUNG_UP else SLACK_NS) for turn in known)
    soonest = sorted(turn.end_ns - (0 if turn.code in HUNG_UP else SLACK_NS) for turn in known)
    found = []
    for line in readings_of(run).during:
        if line.running is None or not sent:
            continue
        until_ns = line.at_ns
        from_ns = until_ns - round(1e6 * (line.took_ms or 0.0))
        held = round(line.running + (line.waiting or 0.0))
        at_most = bisect_right(sent, until_ns) - bisect_left(latest, from_ns)
        at_least = max(0, bisect_right(sent, from_ns - SLACK_NS) - bisect_left(soonest, until_ns))
        left_over = max(0, held - at_most), max(0, held - at_least)
        found.append(Reading(from_ns, until_ns, *left_over, held < at_least))
    return found


def _why_unknown(readings: Sequence[Reading], gone: Sequence[Turn]) -> str | None:
    """Why nothing can be said; None where something can."""
    if len(readings) < 2:
        return "its metrics do not show how many requests it holds"
    if sum(reading.missing for reading in readings) > MOST_MISSING * len(readings):
        return "its metrics count fewer requests than were in flight"
    if any(reading.fewest > bisect_right(gone, reading.until_ns, key=_end_ns) for reading in readings):
        return "somebody else used the server, too"
    return None


def _bounds(readings: Sequence[Reading], gone: Sequence[Turn]) -> list[tuple[float, float]]:
    """(at least, at most) ns from each hang-up until its slot was free, oldest first; the second may be infinite."""
    ends = [turn.end_ns for turn in gone]
    low, high = [0.0] * len(ends), [math.inf] * len(ends)
    freed = 0
    for reading in readings:
        surely_before, maybe_before = (
            bisect_right(ends, reading.from_ns),
            bisect_right(ends, reading.until_ns),
        )
        for k in range(max(freed, maybe_before - reading.fewest), surely_before):
            low[k] = reading.from_ns - ends[k]
        for k in range(freed, surely_before - reading.most):
            high[k] = reading.until_ns - ends[k]
        freed = max(freed, surely_before - reading.most)
    return list(zip(low, high, strict=True))


def _end_ns(turn: Turn) -> int:
    return turn.end_ns
