"""A run over time, in at most 600 intervals: from 1 s each on, twice as wide whenever they become too many.

Each number stands at the moment it happened, not at the one it became known: TTFT at its first token,
tokens spread evenly from the first to the last of their reply, failures at the end of their turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from chatload.analysis.histogram import Histogram
from chatload.model.errors import NO_FAILURES
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import decode_tokens_per_s, felt_tokens_per_s, ttft_ms
from chatload.model.turn import Turn

MOST_INTERVALS = 600
FIRST_WIDTH_S = 1
_FAR_S = 7 * 86_400
_SILENT_NS = 5_000_000_000
"""A worker that said nothing for so long is lost: its users are not there any more."""
COLUMNS = (
    "at", "ttft_ms_p50", "ttft_ms_p95", "ttft_ms_p99", "tokens_per_s", "decode_tokens_per_s_p50",
    "felt_tokens_per_s_p50", "users", "in_flight", "stalls",
    "lag_p99_ms", "lag_max_ms", "cpu_percent", "turns", "failed",
)  # fmt: skip
"""Columns of a point; `at` is the interval's number, `failed` is {code: how many}."""


class Interval:
    """What happened in one interval."""

    __slots__ = ("cpu", "decode", "failed", "felt", "in_flight", "lag_max", "lag_p99", "revision", "stalls",
                 "tokens", "ttft", "turns", "users")  # fmt: skip

    def __init__(self) -> None:
        self.ttft, self.decode, self.felt = Histogram(), Histogram(), Histogram()
        self.tokens = 0.0
        self.turns = self.stalls = 0
        self.failed: Counter[str] = Counter()
        self.users: int | None = None
        self.in_flight: int | None = None
        self.lag_p99: float | None = None
        self.lag_max: float | None = None
        self.cpu: float | None = None
        self.revision = 0

    def merge(self, later: Interval) -> None:
        """Take in the interval after this one."""
        self.ttft.merge(later.ttft)
        self.decode.merge(later.decode)
        self.felt.merge(later.felt)
        self.tokens += later.tokens
        self.turns += later.turns
        self.stalls += later.stalls
        self.failed.update(later.failed)
        self.users = _greatest(self.users, later.users)
        self.in_flight = _greatest(self.in_flight, later.in_flight)
        self.lag_p99 = _greatest(self.lag_p99, later.lag_p99)
        self.lag_max = _greatest(self.lag_max, later.lag_max)
        self.cpu = _greatest(self.cpu, later.cpu)

    def point(self, at: int, width_s: int) -> list[Any]:
        """Values in the order of COLUMNS."""
        return [
            at,
            *map(_short, self.ttft.quantiles(0.5, 0.95, 0.99)),
            _short(self.tokens / width_s),
            _short(self.decode.quantile(0.5)),
            _short(self.felt.quantile(0.5)),
            self.users,
            self.in_flight,
            self.stalls,
            self.lag_p99,
            self.lag_max,
            self.cpu,
            self.turns,
            dict(self.failed),
        ]


class Timeline:
    """Intervals of equal width from `start_ns` on."""

    def __init__(self, start_ns: int) -> None:
        self.width_s = FIRST_WIDTH_S
        self.revision = 1
        self._start_ns = start_ns
        self._intervals: dict[int, Interval] = {}
        self._levels: dict[str, tuple[int, int, int]] = {}

    def add(self, turn: Turn, stalls: list[float]) -> None:
        """Count a turn; `stalls` are its stalls in ms. One that we cut short ourselves is left out."""
        if turn.code in NO_FAILURES:
            return
        self._at(turn.end_ns).turns += 1
        if not turn.ok:
            self._at(turn.end_ns).failed[turn.code or "unknown"] += 1
            return
        ttft, first_ns, last_ns = ttft_ms(turn), turn.first_token_ns, turn.last_token_ns
        if ttft is None or first_ns is None or last_ns is None:
            return
        self._at(first_ns).ttft.add(ttft)
        ended = self._at(last_ns)
        decode, felt = decode_tokens_per_s(turn), felt_tokens_per_s(turn)
        if decode is not None:
            ended.decode.add(decode)
        if felt is not None:
            ended.felt.add(felt)
        self._spread(turn.tokens or 0, first_ns, last_ns)
        if stalls:
            self._place_stalls(turn, stalls, first_ns)

    def hear_health(self, line: HealthLine) -> None:
        """Note a second of a process's own health, and how many users and turns it holds."""
        at_ns = line.at_ns
        self._levels[line.worker] = (at_ns, line.users or 0, line.in_flight or 0)
        fresh = [level for level in self._levels.values() if level[0] > at_ns - _SILENT_NS]
        now = self._at(at_ns)
        now.users = _greatest(now.users, sum(users for _, users, _ in fresh))
        now.in_flight = _greatest(now.in_flight, sum(turns for _, _, turns in fresh))
        now.lag_p99 = _greatest(now.lag_p99, line.hub_lag_p99_ms)
        now.lag_max = _greatest(now.lag_max, line.hub_lag_max_ms)
        now.cpu = _greatest(now.cpu, line.cpu_percent)

    def points(self, since: int) -> Iterator[list[Any]]:
        """Points that changed after revision `since`, in order; ask with `revision` next time."""
        for at in sorted(self._intervals):
            interval = self._intervals[at]
            if interval.revision > since:
                yield interval.point(at, self.width_s)

    def mark(self) -> int:
        """The revision so far; later changes count as newer."""
        self.revision += 1
        return self.revision - 1

    def _at(self, at_ns: int) -> Interval:
        seconds = min(max(0, (at_ns - self._start_ns) // 1_000_000_000), _FAR_S)
        while seconds // self.width_s >= MOST_INTERVALS:
            self._widen()
        interval = self._intervals.setdefault(seconds // self.width_s, Interval())
        interval.revision = self.revision
        return interval

    def _widen(self) -> None:
        old, self._intervals = self._intervals, {}
        self.width_s *= 2
        self.revision += 1
        for at in sorted(old):
            self._intervals.setdefault(at // 2, Interval()).merge(old[at])
        for interval in self._intervals.values():
            interval.revision = self.revision

    def _spread(self, tokens: int, first_ns: int, last_ns: int) -> None:
        """Tokens evenly over the intervals from the first to the last token."""
        length_ns = last_ns - first_ns
        self._at(last_ns)  # widen first, so that the steps below have one width
        step_ns = self.width_s * 1_000_000_000
        at_ns = first_ns
        while length_ns > 0 and at_ns < last_ns:
            until_ns = min(last_ns, at_ns + step_ns - (at_ns - self._start_ns) % step_ns)
            self._at(at_ns).tokens += tokens * (until_ns - at_ns) / length_ns
            at_ns = until_ns
        if length_ns <= 0:
            self._at(last_ns).tokens += tokens

    def _place_stalls(self, turn: Turn, stalls: list[float], first_ns: int) -> None:
        least_us = min(stalls) * 1000.0
        for gap_us, offset_us in zip(turn.gaps_us, accumulate(turn.gaps_us), strict=True):
            if gap_us >= least_us:
                self._at(first_ns + offset_us * 1000).stalls += 1


def _greatest(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else max(one, other)


def _short(value: float | None) -> float | None:
    """Four significant digits: enough for a chart, short on the wire."""
    return None if value is None else float(f"{value:.4g}")
