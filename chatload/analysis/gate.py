"""A gate for CI: whether a run holds its SLOs and is no worse than a baseline, and the exit code that calls for."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.analysis.comparison import Comparison, has_good_turn, trustworthy
from chatload.analysis.completeness import shortcomings
from chatload.analysis.exit_code import (
    FAILED_TURNS,
    GOOD,
    MISSED_SLO,
    OUR_FAULT,
    UNSURE,
    UNTRUSTED,
    nameless,
    not_measurable,
    too_many_failed,
)
from chatload.analysis.slo_verdict import unsure
from chatload.model.summary import Summary
from chatload.model.verdict import CANNOT_TELL, MISSED, PART, WORSE, Effect, SloVerdict
from chatload.store.journal import Run

NO_GOOD_TURN = "it has no good turn, so it is no baseline."


@dataclass(frozen=True, slots=True)
class Gate:
    """What was checked. `unusable` are runs that allow no conclusion, each with why: ("", run) if not trustworthy."""

    run: Run
    summary: Summary
    comparison: Comparison | None
    unusable: tuple[tuple[Run, str], ...]
    too_many_failed: bool
    sure: bool

    @property
    def slo(self) -> list[SloVerdict]:
        """The verdicts on SLOs that gate."""
        return [one for one in self.summary.slo if one.verdict != PART]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects against the baseline."""
        return self.comparison.effects if self.comparison else ()

    @property
    def not_measurable(self) -> list[SloVerdict]:
        """SLOs on what a proxy hides, or on what no reply has."""
        return not_measurable(self.summary)

    @property
    def unsure(self) -> list[SloVerdict | Effect]:
        """What --sure does not let through."""
        return [
            *unsure(self.slo),
            *(one for one in self.effects if one.verdict == CANNOT_TELL and not one.none_failed),
        ]

    def passes(self, one: SloVerdict | Effect) -> bool:
        """True for a verdict that lets the run through; one that is not sure does unless --sure."""
        if one in self.not_measurable:
            return False
        return one.verdict not in (MISSED, WORSE) and not (self.sure and one in self.unsure)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.unusable:
            return UNTRUSTED
        if nameless(self.summary):
            return OUR_FAULT
        missed = any(one.verdict == MISSED for one in self.slo)
        if missed or any(one.verdict == WORSE for one in self.effects):
            return MISSED_SLO
        if self.not_measurable:
            return UNTRUSTED
        if self.too_many_failed:
            return FAILED_TURNS
        return UNSURE if self.sure and self.unsure else GOOD


def gate(
    run: Run,
    summary: Summary,
    comparison: Comparison | None = None,
    *,
    sure: bool = False,
    allow_failed: float | None = None,
) -> Gate:
    """Check a run by the SLOs of its summary and, where there is one, the comparison with its baseline.

    `sure`: what is not sure is red; so it is where the run itself was told.
    """
    plan = run.manifest.plan
    sure = sure or (plan is not None and plan.sure)
    runs = [run, *(comparison.a if comparison else ())]
    doubtful = run.manifest.exit_code == UNTRUSTED or not summary.validity.trustworthy
    unusable = [(each, "") for each in runs if (doubtful if each is run else not trustworthy(each))]
    unusable += [(each, why) for each in runs for why in shortcomings(each)]
    unusable += [(each, NO_GOOD_TURN) for each in runs[1:] if not has_good_turn(each)]
    return Gate(run, summary, comparison, tuple(unusable), too_many_failed(run, summary, allow_failed), sure)
