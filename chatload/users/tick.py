"""How often replies in full flow are read: as seldom as keeps a server's tokens apart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

PERIODS_S = (0.002, 0.005)
"""10 ms would be cheaper still, but what ends a reply may well follow its last token by less (decision 006)."""
_APART = 1.5
"""A gap shorter than so many periods is short: with a little less luck its tokens would share a stamp."""
_SHORT_SHARE = 0.01
_ENOUGH = 200
"""Gaps that must be heard before the period is chosen."""


class Tick:
    """A period of PERIODS_S: the longest of which at most 1 % of the gaps heard lately are shorter than 1.5.

    Two tokens of one reply that come within a period share a stamp, so the later gaps decide; tokens that did
    share one are gaps of 0 and shorten the period again. With each choice the gaps so far lose half their weight.
    """

    def __init__(self) -> None:
        self.period_s = PERIODS_S[0]
        self._gaps = 0.0
        self._short = [0.0] * len(PERIODS_S)

    def heard(self, gaps_us: Sequence[int]) -> None:
        """Take the gaps of one reply in."""
        ordered = sorted(gaps_us)
        self._gaps += len(ordered)
        for index, period_s in enumerate(PERIODS_S):
            self._short[index] += bisect_left(ordered, _APART * period_s * 1e6)

    def reconsider(self) -> bool:
        """Choose the period anew; True when it changed. Once a second is enough."""
        if self._gaps < _ENOUGH:
            return False
        before, self.period_s = self.period_s, PERIODS_S[0]
        for period_s, short in zip(PERIODS_S, self._short, strict=True):
            if short <= _SHORT_SHARE * self._gaps:
                self.period_s = period_s
        self._gaps /= 2
        self._short = [short / 2 for short in self._short]
        return self.period_s != before
