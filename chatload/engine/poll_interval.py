"""How often replies are read: the longest interval that still gives consecutive tokens separate stamps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

POLL_INTERVALS_S = (0.002, 0.005, 0.010)
"""For users who think: the end of a reply may be seen that much late."""
PAUSES_S = (0.0, 0.001)
"""Pauses for loops without think time, where a reply's end seen late makes the next request late."""
_APART = 1.5
"""A gap shorter than so many intervals is short: its two tokens may come to share a stamp."""
_SHORT_SHARE = 0.01
_ENOUGH = 200
"""Gaps that must be known before the interval is chosen."""
_TOGETHER_US = 1000
"""An end within this time of the last token shares its read at any interval, and shifts it by no more."""


def told_gaps(gaps_us: Sequence[int], first_ns: int, is_late: Callable[[int], bool]) -> Sequence[int]:
    """The gaps of a reply whose first token came at `first_ns`, without those of 0 in a late poll.

    `is_late` tells whether a late poll took in what came at an instant. What it took in at once may have come apart:
    nobody knows. Any other gap is one of two reads, each with the time at which it came.
    """
    found: list[int] = []
    at_ns = first_ns
    for gap_us in gaps_us:
        at_ns += 1000 * gap_us
        if gap_us or not is_late(at_ns):
            found.append(gap_us)
    return found


class PollInterval:
    """One of `periods_s`: the longest such that at most 1 % of recent gaps are shorter than 1.5 times it.

    Counted are gaps between tokens, and between the last token and the end of its reply. Two that come within a period
    share a stamp, the later one's, so recent gaps decide; tokens that did share one are gaps of 0 and shorten the
    period again. With each choice all gaps counted so far lose half their weight. Gaps of 0 that a late poll made are
    not to be counted (`told_gaps`): a client that cannot keep up would poll more often, and keep up less.
    """

    def __init__(self, periods_s: Sequence[float]) -> None:
        self.period_s = periods_s[0]
        self._periods_s = periods_s
        self._gaps = self._ends = 0.0
        self._short_gaps = [0.0] * len(periods_s)
        self._short_ends = [0.0] * len(periods_s)

    def add(self, gaps_us: Sequence[int], end_us: float | None) -> None:
        """Count the gaps of one reply, and the time from its last token to its end."""
        self._gaps += len(gaps_us)
        if gaps_us and min(gaps_us) < _APART * self._periods_s[-1] * 1e6:
            ordered = sorted(gaps_us)
            for index, period_s in enumerate(self._periods_s):
                self._short_gaps[index] += bisect_left(ordered, _APART * period_s * 1e6)
        if end_us is None:
            return
        self._ends += 1
        for index, period_s in enumerate(self._periods_s):
            self._short_ends[index] += _TOGETHER_US < end_us < _APART * period_s * 1e6

    def choose(self) -> bool:
        """Choose the period again; True when it changed. Once a second is enough."""
        if self._gaps < _ENOUGH:
            return False
        before, self.period_s = self.period_s, self._periods_s[0]
        for index, period_s in enumerate(self._periods_s):
            gaps, ends = self._short_gaps[index], self._short_ends[index]
            if gaps <= _SHORT_SHARE * self._gaps and ends <= _SHORT_SHARE * self._ends:
                self.period_s = period_s
        self._gaps, self._ends = self._gaps / 2, self._ends / 2
        self._short_gaps = [gaps / 2 for gaps in self._short_gaps]
        self._short_ends = [ends / 2 for ends in self._short_ends]
        return self.period_s != before
