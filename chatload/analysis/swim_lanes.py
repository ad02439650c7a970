"""Swim-lanes: each user a row, each turn a bar from due to end, cut into what the user went through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from chatload.analysis.series import start_ns, thinned
from chatload.model.stalls import DEFAULT_RULE, stall_limit_us
from chatload.model.turn import Turn
from chatload.store.journal import Run

MOST_LANES, LEAST_LANES = 120, 10
MOST_BARS = 12_000
"""Of a run of more turns a row, fewer rows: 120 rows of a thousand turns each would take 400 MB to draw."""
LEAST_LIMIT_US = min(DEFAULT_RULE.limit_s, DEFAULT_RULE.floor_s) * 1e6
"""No shorter gap is a stall, whatever else the reply has."""
LATE_S = 0.02
"""Sends later than this after their due time are shown as late."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One turn in its row. Times are s since the first turn was due; `first_byte_s` and `first_token_s`
    are None where they never came. `stalls_s` are (from, to) of each stall."""

    row: int
    turn: Turn
    due_s: float
    sent_s: float
    first_byte_s: float | None
    first_token_s: float | None
    end_s: float
    stalls_s: tuple[tuple[float, float], ...]

    @property
    def answered_s(self) -> float:
        """When the server first said anything; the end, where it never did."""
        return min(self.end_s, self.end_s if self.first_byte_s is None else self.first_byte_s)

    @property
    def text_s(self) -> float:
        """When the first token came; the end, where none came."""
        return self.end_s if self.first_token_s is None else self.first_token_s


@dataclass(frozen=True, slots=True)
class Lanes:
    """The rows of a run. `of` is how many rows there would be; `users` tells whether a row is a user."""

    bars: tuple[Bar, ...]
    rows: int
    of: int
    users: bool

    def thinking(self) -> Iterator[tuple[int, float, float]]:
        """(row, from s, to s) between the end of a turn and the user's next."""
        last: dict[int, float] = {}
        for bar in self.bars:
            before = last.get(bar.row)
            if self.users and before is not None and bar.due_s > before:
                yield bar.row, before, bar.due_s
            last[bar.row] = bar.end_s


def lanes(run: Run, at_most: int = MOST_LANES) -> Lanes:
    """The rows of a run, users in the order they came; evenly picked ones where there are too many.

    Where turns of one user overlap (arrivals, slots of a sweep), a row is whoever is free first.
    """
    users = list(dict.fromkeys(turn.user for turn in run.turns))
    row_of = {user: row for row, user in enumerate(users)}
    rows = [row_of[turn.user] for turn in run.turns]
    each_alone = not _overlap(run, rows)
    if not each_alone:
        rows = _first_free(run)
    count = max(rows, default=-1) + 1
    at_most = min(at_most, max(LEAST_LANES, MOST_BARS * count // max(1, len(rows))))
    kept = {row: place for place, row in enumerate(thinned(count, at_most))}
    bars = [
        _bar(turn, kept[row], start_ns(run)) for turn, row in zip(run.turns, rows, strict=True) if row in kept
    ]
    return Lanes(tuple(bars), len(kept), count, each_alone)


def _overlap(run: Run, rows: list[int]) -> bool:
    until: dict[int, int] = {}
    for turn, row in zip(run.turns, rows, strict=True):
        if turn.due_ns < until.get(row, 0) - 1_000_000:
            return True
        until[row] = turn.end_ns
    return False


def _first_free(run: Run) -> list[int]:
    """For each turn, the lowest row whose turn before has ended when it is due."""
    free_at: list[int] = []
    rows = []
    for turn in run.turns:
        row = next((i for i, until in enumerate(free_at) if until <= turn.due_ns), len(free_at))
        if row == len(free_at):
            free_at.append(0)
        free_at[row] = turn.end_ns
        rows.append(row)
    return rows


def _bar(turn: Turn, row: int, zero_ns: int) -> Bar:
    def at(instant_ns: int) -> float:
        return (instant_ns - zero_ns) / 1e9

    return Bar(
        row=row,
        turn=turn,
        due_s=at(turn.due_ns),
        sent_s=at(turn.sent_ns if turn.sent_ns is not None else turn.due_ns),
        first_byte_s=None if turn.first_byte_ns is None else at(turn.first_byte_ns),
        first_token_s=None if turn.first_token_ns is None else at(turn.first_token_ns),
        end_s=at(turn.end_ns),
        stalls_s=tuple(stall_spans(turn, zero_ns)),
    )


def stall_spans(turn: Turn, zero_ns: int) -> Iterator[tuple[float, float]]:
    """(from, to) of each stall of a turn under the default rule, in s since `zero_ns`."""
    first_ns, longest_us = turn.first_token_ns, turn.longest_gap_us
    if first_ns is None or longest_us is None or longest_us <= LEAST_LIMIT_US:
        return
    gaps_us, limit_us = turn.gaps_us, stall_limit_us(turn, DEFAULT_RULE)
    for gap_us, until_us in zip(gaps_us, accumulate(gaps_us), strict=True):
        if gap_us > limit_us:
            until_s = (first_ns - zero_ns) / 1e9 + until_us / 1e6
            yield until_s - gap_us / 1e6, until_s


def pieces(bar: Bar) -> list[tuple[str, float, float]]:
    """(part, from s, to s) of what one turn went through, in the order to draw.

    The parts: late, wait (for the first byte), quiet (a byte came, no token yet), stream, stall, fail.
    """
    parts = []
    if bar.sent_s - bar.due_s > LATE_S:
        parts.append(("late", bar.due_s, bar.sent_s))
    if not bar.turn.ok and bar.turn.first_token_ns is None:
        return [*parts, ("fail", bar.sent_s, bar.end_s)]
    parts.append(("wait", bar.sent_s, bar.answered_s))
    if bar.text_s - bar.answered_s > 0.002:
        parts.append(("quiet", bar.answered_s, bar.text_s))
    parts.append(("stream" if bar.turn.ok else "fail", bar.text_s, bar.end_s))
    return parts + [("stall", start, end) for start, end in bar.stalls_s]
