"""Each SLO of a run that still goes on, as rows of the live page."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis.slo_counter import SloCounter
from chatload.engine.clock import now_ns
from chatload.loads.capacity import CapacityLoad
from chatload.loads.plan import Plan
from chatload.model.slo import Objective, limits_of_a_turn
from chatload.model.turn import Turn
from chatload.model.verdict import PART
from chatload.render.slo_words import value_words

FRESH_NS = 5_000_000_000
"""How old a verdict may be before it is made again."""

Row = dict[str, str | int]


class SoFar:
    """Counts turns for SLOs. With `by_part` a new part of the run, such as a level of a search, begins anew."""

    def __init__(self, objectives: Sequence[Objective] = (), *, by_part: bool = False) -> None:
        self._by_part = by_part
        self._part = ""
        self._objectives = tuple(objectives)
        self._clear()

    def _clear(self) -> None:
        limits = limits_of_a_turn(self._objectives)
        self._counts = [SloCounter(one, limits) for one in self._objectives]
        self._rows: list[Row] = []
        self._made_ns = 0
        self._changed = bool(self._counts)

    def add(self, turn: Turn) -> None:
        """Count one finished turn."""
        if self._by_part and turn.group != self._part:
            self._part = turn.group
            self._clear()
        if not self._counts or not turn.counts:
            return
        self._changed = True
        for count in self._counts:
            count.add(turn)

    def state(self) -> dict[str, str | list[Row]]:
        """{of: the part it is of, rows: one an SLO}; made anew every few seconds at most."""
        if self._changed and now_ns() - self._made_ns >= FRESH_NS:
            self._rows = [_row(count) for count in self._counts]
            self._made_ns, self._changed = now_ns(), False
        return {"of": self._part, "rows": self._rows}


def counting_for(plan: Plan | None) -> SoFar:
    """What counts for the SLOs of a run that begins; a capacity search asks them of each level."""
    return SoFar(plan.slo, by_part=isinstance(plan.load, CapacityLoad)) if plan is not None else SoFar()


def _row(count: SloCounter) -> Row:
    """The SLO, its verdict so far, its value, how sure that is, and of how many."""
    found = count.verdict()
    return {
        "slo": found.slo,
        "verdict": found.verdict,
        "words": "part of goodput" if found.verdict == PART else f"{found.verdict} so far",
        "value": value_words(found),
        "sure": _sure(count, found.interval),
        "turns": found.turns,
        "conversations": found.conversations,
    }


def _sure(count: SloCounter, interval: tuple[float | None, float | None] | None) -> str:
    """The 95 % interval of the share that decides."""
    share = count.tally.share
    if count.asked.kind == "extreme":
        return "a fact, no estimate"
    if share is None or interval is None:
        return ""
    low, high = (100 * (end or 0.0) for end in interval)
    between = f"{low:.3g} … {high:.3g} %"
    return f"{100 * share:.3g} % within ({between})" if count.asked.kind == "percentile" else between
