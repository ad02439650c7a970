"""Each SLO of a run that still goes on, as rows of the live page."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis.sample import Samples, samples, side_by_side
from chatload.analysis.slo_answers import Answers
from chatload.analysis.slo_verdict import judged
from chatload.engine.clock import now_ns
from chatload.loads.load_shape import Load
from chatload.loads.plan import Plan
from chatload.model.slo import Objective
from chatload.model.turn import Turn
from chatload.model.verdict import PART, SloVerdict
from chatload.options.run_options import ALL_IN
from chatload.render.slo_words import interval_words, sure_words, value_words

FRESH_NS = 5_000_000_000
"""How old a verdict may be before it is made again."""
COST = 100
"""A verdict is made again only after so many times the time that the last one took: long runs are judged less often."""

Row = dict[str, str | int]


class SoFar:
    """Keeps what turns answer to SLOs. With `by_part` a new part of the run, a level of a search, begins anew."""

    def __init__(
        self,
        objectives: Sequence[Objective] = (),
        load: Load | None = None,
        window: str = ALL_IN,
        *,
        by_part: bool = False,
    ) -> None:
        self._by_part = by_part
        self._part = ""
        self._objectives = tuple(objectives)
        self._load, self._window = load, window
        self._clear()

    def _clear(self) -> None:
        self._answers = Answers(self._objectives)
        self._rows: list[Row] = []
        self._again_ns = 0
        self._changed = bool(self._objectives)

    def add(self, turn: Turn) -> None:
        """Take one finished turn in."""
        if self._by_part and turn.group != self._part:
            self._part = turn.group
            self._clear()
        if self._objectives:
            self._changed = True
            self._answers.add(turn)

    def state(self) -> dict[str, str | list[Row]]:
        """{of: the part it is of, rows: one an SLO}; made anew every few seconds at most."""
        began_ns = now_ns()
        if self._changed and began_ns >= self._again_ns:
            self._rows = [_row(one) for one in self.verdicts()]
            now, self._changed = now_ns(), False
            self._again_ns = now + max(FRESH_NS, COST * (now - began_ns))
        return {"of": self._part, "rows": self._rows}

    def verdicts(self) -> tuple[SloVerdict, ...]:
        """The verdicts so far; at the end of a run they are the report's."""
        places = self._answers.places
        if self._by_part:
            level = side_by_side(places, lambda _: self._part)
            found = Samples(level, level)
        else:
            found = samples(places, self._load, self._window)
        return judged(self._answers, found, self._load)


def counting_for(plan: Plan | None) -> SoFar:
    """What counts for the SLOs of a run that begins; a capacity search asks them of each level."""
    if plan is None:
        return SoFar()
    return SoFar(plan.slo, plan.load, plan.window, by_part=plan.load.by_level)


def _row(found: SloVerdict) -> Row:
    """The SLO, its verdict so far, its value, how sure that is, and of how many."""
    fact = found.sure is None and found.verdict != PART
    sure = " ".join(filter(None, (sure_words(found), interval_words(found))))
    return {
        "slo": found.slo,
        "verdict": found.verdict,
        "words": "part of goodput" if found.verdict == PART else f"{found.verdict} so far",
        "value": value_words(found),
        "sure": "a fact, no estimate" if fact and found.turns else sure,
        "turns": found.turns,
        "conversations": found.conversations,
    }
