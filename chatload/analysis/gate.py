"""A gate for CI: whether a run holds its SLOs and is no worse than a baseline, and the exit code that calls for."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.analysis.comparison import Comparison, trustworthy
from chatload.analysis.completeness import shortcomings
from chatload.analysis.exit_code import FAILED_TURNS, GOOD, MISSED_SLO, UNTRUSTED, too_many_failed
from chatload.model.summary import Summary
from chatload.model.verdict import MISSED, PART, UNDECIDED, WORSE, Effect, SloVerdict
from chatload.store.journal import Run


@dataclass(frozen=True, slots=True)
class Gate:
    """What was checked. `unusable` are runs that allow no conclusion, each with why: ("", run) if not trustworthy."""

    run: Run
    summary: Summary
    comparison: Comparison | None
    unusable: tuple[tuple[Run, str], ...]
    too_many_failed: bool
    strict: bool

    @property
    def slo(self) -> list[SloVerdict]:
        """The verdicts on SLOs that gate."""
        return [one for one in self.summary.slo if one.verdict != PART]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects against the baseline."""
        return self.comparison.effects if self.comparison else ()

    def passes(self, one: SloVerdict | Effect) -> bool:
        """True for a verdict that lets the run through; an undecided one does unless --strict."""
        if isinstance(one, Effect) and one.none_failed:
            return True
        return one.verdict not in (MISSED, WORSE) and not (self.strict and one.verdict == UNDECIDED)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.unusable:
            return UNTRUSTED
        if not (all(map(self.passes, self.slo)) and all(map(self.passes, self.effects))):
            return MISSED_SLO
        return FAILED_TURNS if self.too_many_failed else GOOD


def gate(
    run: Run,
    summary: Summary,
    comparison: Comparison | None = None,
    *,
    strict: bool = False,
    allow_failed: float | None = None,
) -> Gate:
    """Check a run by the SLOs of its summary and, where there is one, the comparison with its baseline."""
    runs = [run, *(comparison.a if comparison else ())]
    unusable = [(each, "") for each in runs if not trustworthy(each)]
    unusable += [(each, why) for each in runs for why in shortcomings(each)]
    return Gate(
        run, summary, comparison, tuple(unusable), too_many_failed(run, summary, allow_failed), strict
    )
