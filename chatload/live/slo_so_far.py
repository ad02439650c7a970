"""Each SLO of a run that still goes on: the same verdicts as at its end, of the turns there are so far.

Conversations are counted turn by turn, so a verdict costs what its kinds of conversations cost, not what its turns do.
Values are read from histograms, within 0.5 %; the shares and verdicts are exact.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from chatload.analysis.goodput import failed, keeps, stalled, value_of
from chatload.analysis.histogram import Histogram
from chatload.analysis.share_interval import Tally, interval
from chatload.analysis.slo_verdict import MET, MISSED, PART, UNDECIDED, verdict_of
from chatload.engine.clock import now_ns
from chatload.loads.capacity import CapacityLoad
from chatload.loads.plan import Plan
from chatload.model.errors import NO_FAILURES
from chatload.model.slo import Objective, limits_of_a_turn
from chatload.model.turn import Turn
from chatload.render.slo_words import value_words

FRESH_NS = 5_000_000_000
"""How old a verdict may be before it is judged again."""
STEPS = 10
"""Intervals of shares are read to within 0.1 %: nobody reads more on a page, and each step costs as much."""
MOST_CONVERSATIONS = 20_000
"""The latest ones that may still go on. What an older one did stays counted, its next turn counts as a new one's."""


class SoFar:
    """Counts turns for SLOs. With `by_part` a new part of the run, such as a level of a search, begins anew."""

    def __init__(self, objectives: Sequence[Objective] = (), *, by_part: bool = False) -> None:
        self._limits = limits_of_a_turn(objectives)
        self._by_part = by_part
        self._part = ""
        self._objectives = tuple(objectives)
        self._clear()

    def _clear(self) -> None:
        self._counts = [_Count(one, self._limits) for one in self._objectives]
        self._rows: list[dict[str, Any]] = []
        self._judged_ns = 0
        self._changed = bool(self._counts)

    def add(self, turn: Turn) -> None:
        """Count one finished turn."""
        if self._by_part and turn.group != self._part:
            self._part = turn.group
            self._clear()
        if not self._counts or (not turn.ok and turn.code in NO_FAILURES):
            return
        self._changed = True
        for count in self._counts:
            count.add(turn)

    def state(self) -> dict[str, Any]:
        """{of: the part it is of, rows: one an SLO}; judged anew every few seconds at most."""
        if self._changed and now_ns() - self._judged_ns >= FRESH_NS:
            self._rows = [count.row() for count in self._counts]
            self._judged_ns, self._changed = now_ns(), False
        return {"of": self._part, "rows": self._rows}


def counting_for(plan: Plan | None) -> SoFar:
    """What counts for the SLOs of a run that begins; a capacity search asks them of each level."""
    return SoFar(plan.slo, by_part=isinstance(plan.load, CapacityLoad)) if plan is not None else SoFar()


class _Count:
    """One SLO: its conversations by (turns that meet it, turns), and its values."""

    def __init__(self, asked: Objective, limits: Sequence[Objective]) -> None:
        self._asked, self._limits = asked, limits
        self._kinds: Counter[tuple[float, float]] = Counter()
        self._going: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()
        self._values = Histogram()
        self._turns = self._failed = 0
        self._all_kept = True

    def add(self, turn: Turn) -> None:
        """Count one turn that was due."""
        holds = self._holds(turn)
        if holds is None:
            return
        self._turns += 1
        who = (turn.group, turn.user)
        met, turns = self._going.pop(who, (0, 0))
        if turns:
            self._kinds[met, turns] -= 1
            if not self._kinds[met, turns]:
                del self._kinds[met, turns]
        if self._asked.metric == "conversation_goodput":
            met, turns = int(holds and (met or not turns)), 1
        else:
            met, turns = met + holds, turns + 1
        self._kinds[met, turns] += 1
        self._going[who] = (met, turns)
        if len(self._going) > MOST_CONVERSATIONS:
            self._going.popitem(last=False)

    def _holds(self, turn: Turn) -> bool | None:
        """Whether the turn is what is counted; None leaves it out. As chatload.analysis.slo_verdict has it."""
        asked = self._asked
        if asked.kind == "share":
            if asked.metric == "failed_share":
                return failed(turn)
            if asked.metric == "stalled_share":
                return stalled(turn)
            return all(keeps(limit, turn) for limit in self._limits)
        if asked.kind == "turn":
            return keeps(asked, turn)
        self._failed += not turn.ok
        value = value_of(asked, turn) if turn.ok else None
        if value is not None:
            self._values.add(value)
        kept = keeps(asked, turn)
        self._all_kept = self._all_kept and kept
        return None if turn.ok and value is None else kept

    def row(self) -> dict[str, Any]:
        """The SLO, its verdict so far, its value, how sure that is, and of how many."""
        asked, tally = self._asked, Tally(dict(self._kinds))
        share = tally.share
        if asked.kind == "extreme":
            verdict = (MET if self._all_kept else MISSED) if self._turns else UNDECIDED
            value, sure = self._worst(), "a fact, no estimate"
        else:
            verdict = verdict_of(asked, tally)
            value = self._quantile() if asked.kind == "percentile" else share
            sure = "" if share is None else _sure(asked, tally, share)
        told = {"metric": asked.metric, "verdict": verdict, "value": value, "turns": self._turns}
        return {
            "slo": asked.words,
            "verdict": verdict,
            "words": "part of goodput" if verdict == PART else f"{verdict} so far",
            "value": value_words(told),
            "sure": sure,
            "turns": int(tally.turns),
            "conversations": int(tally.conversations),
        }

    def _worst(self) -> float | None:
        """The worst value; None where a turn failed, which is worse than any."""
        if self._failed or not self._values.count:
            return None
        return self._values.greatest if self._asked.at_most else self._values.least

    def _quantile(self) -> float | None:
        """The percentile of good turns and failed ones, which are worse than any; None where it is one of these."""
        good = self._values.count
        place = self._asked.share_asked * (good + self._failed - 1)
        if not good or place > good - 1:
            return None
        share = place / (good - 1) if good > 1 else 0.0
        return self._values.quantile(share if self._asked.at_most else 1.0 - share)


def _sure(asked: Objective, tally: Tally, share: float) -> str:
    """The 95 % interval of the share that decides."""
    low, high = interval(tally, steps=STEPS)
    between = f"{100 * low:.3g} … {100 * high:.3g} %"
    return f"{100 * share:.3g} % within ({between})" if asked.kind == "percentile" else between
