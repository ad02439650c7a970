"""One SLO of a run that still goes on: the verdict of the end, by the turns there are so far.

Conversations are counted turn by turn, so a verdict costs what its kinds of conversations cost, not what its turns do.
Values are read from a histogram, within 0.5 %; shares and verdicts are exact.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence

from chatload.analysis.goodput import counted_by, value_of
from chatload.analysis.histogram import Histogram
from chatload.analysis.share_interval import Tally, interval
from chatload.analysis.slo_verdict import verdict_of
from chatload.model.slo import Objective
from chatload.model.turn import Turn
from chatload.model.verdict import SloVerdict

STEPS = 10
"""Intervals of shares are read to within 0.1 %: nobody reads more on a page, and each step costs as much."""
MOST_CONVERSATIONS = 20_000
"""The latest ones that may still go on. What an older one did stays counted, its next turn counts as a new one's."""


class SloCounter:
    """One SLO: its conversations by (turns that it counts, turns), and its values."""

    def __init__(self, asked: Objective, limits: Sequence[Objective]) -> None:
        self.asked = asked
        self._counted = counted_by(asked, limits)
        self._kinds: Counter[tuple[float, float]] = Counter()
        self._going: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()
        self._values = Histogram()
        self._failed = 0

    def add(self, turn: Turn) -> None:
        """Count one turn that counts."""
        holds = self._counted(turn)
        if self.asked.kind in ("percentile", "extreme"):
            self._failed += not turn.ok
            if turn.ok and (value := value_of(self.asked, turn)) is not None:
                self._values.add(value)
        if holds is None:
            return
        who = (turn.group, turn.user)
        met, turns = self._going.pop(who, (0, 0))
        if turns:
            self._kinds[met, turns] -= 1
            if not self._kinds[met, turns]:
                del self._kinds[met, turns]
        if self.asked.metric == "conversation_goodput":
            met, turns = int(holds and (met or not turns)), 1
        else:
            met, turns = met + holds, turns + 1
        self._kinds[met, turns] += 1
        self._going[who] = (met, turns)
        if len(self._going) > MOST_CONVERSATIONS:
            self._going.popitem(last=False)

    @property
    def tally(self) -> Tally:
        """The conversations so far."""
        return Tally(dict(self._kinds))

    def verdict(self) -> SloVerdict:
        """The verdict so far; its interval is that of the share which decides, None where nothing is estimated."""
        tally = self.tally
        value = tally.share
        if self.asked.kind == "percentile":
            value = self._quantile()
        elif self.asked.kind == "extreme":
            value = self._worst()
        sure = None if tally.share is None or self.asked.kind == "extreme" else interval(tally, steps=STEPS)
        return SloVerdict(
            self.asked.words,
            verdict_of(self.asked, tally),
            self.asked.metric,
            value,
            sure,
            int(tally.turns),
            int(tally.conversations),
        )

    def _worst(self) -> float | None:
        """The worst value; None where a turn failed, which is worse than any."""
        if self._failed or not self._values.count:
            return None
        return self._values.greatest if self.asked.at_most else self._values.least

    def _quantile(self) -> float | None:
        """The percentile of good turns and failed ones, which are worse than any; None where it is one of these."""
        good = self._values.count
        place = self.asked.share_asked * (good + self._failed - 1)
        if not good or place > good - 1:
            return None
        share = place / (good - 1) if good > 1 else 0.0
        return self._values.quantile(share if self.asked.at_most else 1.0 - share)
