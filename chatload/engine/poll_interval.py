"""Chooses how often replies are read: the longest interval that still gives consecutive tokens separate stamps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

POLL_INTERVALS_S = (0.002, 0.005, 0.010)
"""Intervals for users with think times. The end of a reply may be noticed one interval late."""
PAUSES_S = (0.0, 0.001)
"""Intervals for users without think times, where noticing the end of a reply late delays the next request."""
_APART = 1.5
"""A gap of less than so many intervals is short: its two tokens may share a stamp."""
_SHORT_SHARE = 0.01
"""Largest share of short gaps."""
_ENOUGH = 200
"""Gaps needed before an interval is chosen."""
_TOGETHER_US = 1000
"""A reply that ends this soon after its last token does not count: both are in one read at any interval."""


def told_gaps(gaps_us: Sequence[int], first_ns: int, is_late: Callable[[int], bool]) -> Sequence[int]:
    """The gaps of a reply with its first token at `first_ns`, without gaps of 0 from late polls.

    `is_late(at_ns)`: whether a late poll read the bytes of this instant. Tokens that it read together may have arrived
    apart. Any other gap is between two reads with a stamp each.
    """
    found: list[int] = []
    at_ns = first_ns
    for gap_us in gaps_us:
        at_ns += 1000 * gap_us
        if gap_us or not is_late(at_ns):
            found.append(gap_us)
    return found


class PollInterval:
    """The poll interval `period_s`: the longest of `periods_s` with at most 1 % of recent gaps below 1.5 times it.

    Gaps between tokens count, and those between the last token and the end of its reply. Tokens that share a stamp are
    gaps of 0, which shorten the interval again. Each choice halves the weight of all gaps so far. Do not add gaps of 0
    from late polls (`told_gaps`): a client that cannot keep up would poll more often, and fall further behind.
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
        """Choose the interval again; True if it changed. Once a second is enough."""
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
