"""Marks turns whose times the client itself may have distorted, by comparing them with the times of its polls.

The marks (docs/performance.md, "Measurement quality"): `censored_first`, `hub_lag`, `late_send`, `clock_step`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from chatload.engine.health import Lag, lag_facts
from chatload.model.journal_lines import HealthLine
from chatload.model.turn import Turn

LATE_POLL_NS = 3_000_000
"""A poll is late, and ends a poll gap, if it comes later than its period plus this."""
HUB_LAG_NS = 20_000_000
"""A turn is marked if a user-space stamp of it may be late by more than this."""
LATE_SEND_NS = 20_000_000
"""A send is late if it was this much after due, without the time to connect: 1 % of a 2 s pause."""
_MOST_GAPS = 100_000


class PollLog:
    """When the reader last polled its sockets, and the poll gaps: times without a poll that were too long.

    A gap lasts from the start of one poll to the end of the next, late one: sockets are read one after the other, so
    that bytes that arrive during a poll may still be read by it.
    """

    def __init__(self, period_s: float) -> None:
        self.period_ns = round(period_s * 1e9)
        self.missed = 0
        self.longest_ns = 0
        self._last_ns = 0
        self._late_ms = array("d")
        self._from = array("q")
        self._until = array("q")

    def begin(self, now: int) -> None:
        """Start the log at the beginning of polling."""
        self._last_ns = now

    def poll(self, now: int) -> bool:
        """Record the start of a poll; True if it is late: then call `polled` at its end."""
        late_ns = now - self._last_ns - self.period_ns
        since_ns, self._last_ns = self._last_ns, now
        self._late_ms.append(late_ns / 1e6 if late_ns > 0 else 0.0)
        if late_ns <= LATE_POLL_NS:
            return False
        self.missed += 1
        self.longest_ns = max(self.longest_ns, late_ns)
        self._from.append(since_ns)
        self._until.append(now)
        if len(self._from) > _MOST_GAPS:
            del self._from[: _MOST_GAPS // 2], self._until[: _MOST_GAPS // 2]
        return True

    def polled(self, now: int) -> None:
        """Record the latest possible end of the late poll."""
        self._until[-1] = now

    def lateness(self) -> Lag:
        """How late the polls since the last call came, which is the lag of the hub."""
        late_ms, self._late_ms = self._late_ms, array("d")
        return lag_facts(late_ms, self.period_ns / 1e6)

    def gap_at(self, at_ns: int, now: int) -> tuple[int, int] | None:
        """(from, until) of the poll gap that contains `at_ns`, the later one if two touch; None if none does."""
        index = bisect_left(self._until, at_ns)
        if index < len(self._from):
            return (self._from[index], self._until[index]) if self._from[index] < at_ns else None
        if self._last_ns < at_ns and now - self._last_ns > self.period_ns + LATE_POLL_NS:
            return self._last_ns, now  # a gap that has not ended yet
        return None

    def is_late(self, at_ns: int) -> bool:
        """Whether bytes that arrived at this instant were read by a late poll."""
        index = bisect_left(self._until, at_ns)
        return index < len(self._from) and self._from[index] < at_ns

    def was_late(self, from_ns: int, until_ns: int) -> bool:
        """Whether any poll gap overlaps this time."""
        index = bisect_left(self._until, from_ns)
        return index < len(self._from) and self._from[index] < until_ns

    def backlog_ns(self, at_ns: int, now: int) -> int:
        """How late a read at `at_ns` may be: the time since its gap began, or the gap before if the two touch."""
        gap = self.gap_at(at_ns, now)
        if gap is None:
            return 0
        before = self.gap_at(gap[0], now)
        return at_ns - (before or gap)[0]

    def earliest_ns(self, at_ns: int, now: int) -> int:
        """The earliest possible arrival of bytes read by one poll, the last of them stamped `at_ns`."""
        gap = self.gap_at(at_ns, now)
        return gap[0] if gap else at_ns - 2 * (self.period_ns + LATE_POLL_NS)


class MeasurementQuality:
    """Marks turns, and counts late polls, late sends and marks for each health line.

    `steps` are the spans (from, until) in which the wall clock was set; the caller may add to them.
    """

    def __init__(self, period_s: float, steps: Sequence[tuple[int, int]] = ()) -> None:
        self.poll_log = PollLog(period_s)
        self.steps = steps
        self._late_sends = self._coalesced = self._spoiled = self._missed_before = 0

    def marked(self, turn: Turn, events_in_first_read: int, now: int) -> Turn:
        """The turn with its marks. `events_in_first_read` counts the first token's event and those in its read."""
        marks: list[str] = []
        after_ns = last_after_ns = None
        first, log = turn.first_token_ns, self.poll_log
        if first is not None:
            late_ns = self._late_ns(turn, first, now)
            late_last_ns = self._late_ns(turn, turn.last_token_ns, now)
            if events_in_first_read > 1:
                after_ns = max(turn.sent_ns or 0, log.earliest_ns(first, now) - late_ns)
                if late_ns or log.gap_at(first, now):
                    marks.append("censored_first")
            elif late_ns > HUB_LAG_NS:
                after_ns = max(turn.sent_ns or 0, first - late_ns)
            if late_last_ns > HUB_LAG_NS:
                last_after_ns = max(turn.sent_ns or 0, (turn.last_token_ns or 0) - late_last_ns)
            if max(late_ns, late_last_ns) > HUB_LAG_NS:
                marks.append("hub_lag")
        if is_late(turn):
            marks.append("late_send")
            self._late_sends += 1
        if self._stepped(turn):
            marks.append("clock_step")
        self._coalesced += turn.coalesced
        self._spoiled += bool(marks)
        if not marks and after_ns is None:
            return turn
        return msgspec.structs.replace(
            turn,
            marks=(*turn.marks, *marks),
            first_token_after_ns=after_ns,
            last_token_after_ns=last_after_ns,
        )

    def _late_ns(self, turn: Turn, at_ns: int | None, now: int) -> int:
        """How late a user-space stamp may be; 0 for kernel stamps."""
        return 0 if turn.stamp_source == "kernel" or at_ns is None else self.poll_log.backlog_ns(at_ns, now)

    def _stepped(self, turn: Turn) -> bool:
        began = turn.sent_ns if turn.sent_ns is not None else turn.end_ns
        return turn.stamp_source != "user" and any(
            began <= until and turn.end_ns >= since for since, until in self.steps
        )

    def health(self, line: HealthLine) -> HealthLine:
        """The health line with the lag and the counts since the last call."""
        log = self.poll_log
        lag = log.lateness()
        said = msgspec.structs.replace(
            line,
            hub_lag_p50_ms=lag.p50_ms,
            hub_lag_p99_ms=lag.p99_ms,
            hub_lag_max_ms=lag.max_ms,
            lagging_ms=lag.lagging_ms,
            looks_missed=log.missed - self._missed_before,
            longest_look_ms=round(log.longest_ns / 1e6, 3),
            coalesced=self._coalesced,
            late_sends=self._late_sends,
            spoiled=self._spoiled,
        )
        self._missed_before, log.longest_ns = log.missed, 0
        self._late_sends = self._coalesced = self._spoiled = 0
        return said


def is_late(turn: Turn) -> bool:
    """Whether a turn was sent late (LATE_SEND_NS). Turns that were sent more than once do not count."""
    if turn.sent_ns is None or turn.retried or turn.refusals:
        return False
    connect_ns = ((turn.connect_ms or 0.0) + (turn.tls_ms or 0.0)) * 1e6
    return turn.sent_ns - turn.due_ns - connect_ns > LATE_SEND_NS
