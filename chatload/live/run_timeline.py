"""A run over time, in at most 600 intervals of equal width: 1 s at first, doubled whenever they become too many.

A number belongs to the interval in which it happened, not to the one in which it became known: TTFT to that of the
first token, tokens spread evenly from the first to the last of their reply, a failure to that of the end of its turn.

Of replies that still run, the reads that came in each second are known, and first tokens: reads beyond those of ended
turns are taken for as many tokens as the ended replies had in one, for one each before any has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from chatload.analysis.histogram import Histogram
from chatload.analysis.quantiles import too_few
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import decode_tokens_per_s, felt_tokens_per_s, ttft_ms
from chatload.model.turn import Turn

N = TypeVar("N", int, float)
Value = int | float | dict[str, int] | None

MOST_INTERVALS = 600
FIRST_WIDTH_S = 1
LEFT_OVER = 0.1
"""Share of an interval's reads that may be left when all its replies have ended: both are spread evenly."""
_FAR_S = 7 * 86_400
_SILENT_NS = 5_000_000_000
"""A worker without a line for this long is lost, and so are its users."""


@dataclass(slots=True)
class Interval:
    """What happened in one interval. `revision` grows with every change."""

    ttft: Histogram = field(default_factory=Histogram)
    decode: Histogram = field(default_factory=Histogram)
    felt: Histogram = field(default_factory=Histogram)
    begun: dict[str, float] = field(default_factory=dict)
    tokens: float = 0.0
    reads: float = 0.0
    reads_of_ended: float = 0.0
    turns: int = 0
    stalls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    users: int | None = None
    in_flight: int | None = None
    lag_p99: float | None = None
    lag_max: float | None = None
    cpu: float | None = None
    revision: int = 0

    def merge(self, later: Interval) -> None:
        """Take in the interval after this one."""
        self.ttft.merge(later.ttft)
        self.begun.update(later.begun)
        self.reads += later.reads
        self.reads_of_ended += later.reads_of_ended
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

    def arriving(self, tokens_a_read: float) -> float:
        """Tokens of replies that still run, by their reads; what counts and spreading leave over is none."""
        reads = self.reads - self.reads_of_ended
        return reads * tokens_a_read if reads > LEFT_OVER * self.reads else 0.0

    def values(self, width_s: int, tokens_a_read: float = 1.0) -> dict[str, Value]:
        """The values of a point by column, as charts.js names them; `failed` is {code: how many}."""
        ttft = self.ttft
        if self.begun:
            ttft = Histogram(self.begun.values())
            ttft.merge(self.ttft)
        p50, p95, p99 = _supported(ttft, 0.5, 0.95, 0.99)
        (decode,), (felt,) = _supported(self.decode, 0.5), _supported(self.felt, 0.5)
        return {
            "ttft_ms_p50": p50,
            "ttft_ms_p95": p95,
            "ttft_ms_p99": p99,
            "tokens_per_s": _short((self.tokens + self.arriving(tokens_a_read)) / width_s),
            "decode_tokens_per_s_p50": decode,
            "felt_tokens_per_s_p50": felt,
            "users": self.users,
            "in_flight": self.in_flight,
            "stalls": self.stalls,
            "lag_p99_ms": self.lag_p99,
            "lag_max_ms": self.lag_max,
            "cpu_percent": self.cpu,
            "turns": self.turns,
            "failed": dict(self.failed),
            "ttft_ms_max": _short(ttft.greatest) if ttft.count else None,
            "felt_tokens_per_s_min": _short(self.felt.least) if self.felt.count else None,
        }


class Timeline:
    """Intervals of equal width from `start_ns` on."""

    def __init__(self, start_ns: int) -> None:
        self.width_s = FIRST_WIDTH_S
        self.revision = 1
        self._start_ns = start_ns
        self._intervals: dict[int, Interval] = {}
        self._levels: dict[str, tuple[int, int, int]] = {}
        self._begun: dict[str, int] = {}
        self._tokens_ended = self._reads_ended = 0

    def add(self, turn: Turn, stalls: list[float]) -> None:
        """Count a turn; `stalls` are its stalls in ms. One that we cut short ourselves is left out."""
        if (told_ns := self._begun.pop(turn.turn_id, None)) is not None:
            self._at(told_ns).begun.pop(turn.turn_id, None)
        if turn.reads and turn.first_byte_ns is not None:
            for interval, share in self._stretch(turn.first_byte_ns, turn.last_token_ns or turn.end_ns):
                interval.reads_of_ended += turn.reads * share
        if not turn.counts:
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
        for interval, share in self._stretch(first_ns, last_ns):
            interval.tokens += (turn.tokens or 0) * share
        self._tokens_ended += turn.tokens or 0
        self._reads_ended += turn.reads
        if stalls:
            self._place_stalls(turn, stalls, first_ns)

    def hear_health(self, line: HealthLine) -> None:
        """Add a process's own measurements of one second, and its numbers of users and turns."""
        at_ns = line.at_ns
        self._levels[line.worker] = (at_ns, line.users or 0, line.in_flight or 0)
        fresh = [level for level in self._levels.values() if level[0] > at_ns - _SILENT_NS]
        now = self._at(at_ns)
        now.users = _greatest(now.users, sum(users for _, users, _ in fresh))
        now.in_flight = _greatest(now.in_flight, sum(turns for _, _, turns in fresh))
        now.lag_p99 = _greatest(now.lag_p99, line.hub_lag_p99_ms)
        now.lag_max = _greatest(now.lag_max, line.hub_lag_max_ms)
        now.cpu = _greatest(now.cpu, line.cpu_percent)
        for turn_id, ttft in line.begun.items():
            self._begun[turn_id] = at_ns
            now.begun[turn_id] = ttft
        if line.reads:
            for interval, share in self._stretch(at_ns - round((line.seconds or 1.0) * 1e9), at_ns):
                interval.reads += line.reads * share

    def points(self, since: int) -> Iterator[list[Value]]:
        """Points that changed after revision `since`, values in the order of COLUMNS; ask with `revision` next time."""
        each = self._tokens_ended / self._reads_ended if self._reads_ended else 1.0
        for at in sorted(self._intervals):
            interval = self._intervals[at]
            if interval.revision > since:
                yield [at, *interval.values(self.width_s, each).values()]

    def mark(self) -> int:
        """The revision so far; later changes count as newer."""
        self.revision += 1
        return self.revision - 1

    def _at(self, at_ns: int) -> Interval:
        seconds = min(max(0, (at_ns - self._start_ns) // 1_000_000_000), _FAR_S)
        while seconds // self.width_s >= MOST_INTERVALS:
            self._widen()
        at = seconds // self.width_s
        interval = self._intervals.get(at)
        if interval is None:
            interval = self._intervals[at] = Interval()
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

    def _stretch(self, first_ns: int, last_ns: int) -> Iterator[tuple[Interval, float]]:
        """(interval, its share of the time) of each interval from the first to the last instant."""
        length_ns = last_ns - first_ns
        last = self._at(last_ns)  # widen first, so that the steps below have one width
        step_ns = self.width_s * 1_000_000_000
        at_ns = first_ns
        while length_ns > 0 and at_ns < last_ns:
            until_ns = min(last_ns, at_ns + step_ns - (at_ns - self._start_ns) % step_ns)
            yield self._at(at_ns), (until_ns - at_ns) / length_ns
            at_ns = until_ns
        if length_ns <= 0:
            yield last, 1.0

    def _place_stalls(self, turn: Turn, stalls: list[float], first_ns: int) -> None:
        least_us = min(stalls) * 1000.0
        for gap_us, offset_us in zip(turn.gaps_us, accumulate(turn.gaps_us), strict=True):
            if gap_us >= least_us:
                self._at(first_ns + offset_us * 1000).stalls += 1


def _greatest(one: N | None, other: N | None) -> N | None:
    return other if one is None else one if other is None else max(one, other)


def _supported(values: Histogram, *wanted: float) -> list[float | None]:
    """Percentiles for the charts; None of too few values."""
    found = zip(wanted, values.quantiles(*wanted), strict=True)
    return [None if too_few(values.count, p) else _short(value) for p, value in found]


def _short(value: float | None) -> float | None:
    """Rounded to four significant digits, which is enough for a chart."""
    return None if value is None else float(f"{value:.4g}")


COLUMNS = ("at", *Interval().values(1))
"""Columns of a point; `at` is the number of the interval."""
