"""The exit code of a finished run, and why; the same rule serves the run itself and later readers of its folder."""

from __future__ import annotations

from collections.abc import Iterable

from chatload.analysis.capacity_levels import answer_of
from chatload.analysis.slo_verdict import NOT_MEASURABLE, unsure, worst
from chatload.model.expectation import turn_names
from chatload.model.metrics import METRICS
from chatload.model.sanitize import one_line
from chatload.model.slo import is_part
from chatload.model.summary import Summary
from chatload.model.verdict import MISSED, UNDECIDED, CapacityResult, SloVerdict
from chatload.model.words import plural
from chatload.store.journal import Run

GOOD, FAILED_TURNS, OUR_FAULT, MISSED_SLO, UNTRUSTED, UNSURE = 0, 1, 2, 3, 4, 5
HELD = (GOOD, UNSURE, FAILED_TURNS, MISSED_SLO, UNTRUSTED)
"""Exit codes of a run that was held to its end, the gravest last."""


def gravest(codes: Iterable[int]) -> int:
    """The exit code for several runs: of the one of which most is to be said; 2 where one was not held."""
    found = set(codes)
    return OUR_FAULT if found - set(HELD) else max(found, key=HELD.index, default=GOOD)


def code_of(run: Run, summary: Summary) -> tuple[int, str]:
    """(exit code, why in a sentence; empty where the output has said it already).

    Nothing is good that was not whole: a run that was stopped, killed or lost turns is 4. A run that never reached
    the server, or lost it in a capacity search, is 1. A run that an error ended has the code of that error.
    """
    manifest = run.manifest
    if manifest.ended == "unreachable":
        return FAILED_TURNS, ""
    if manifest.ended == "failed":
        return manifest.exit_code if manifest.exit_code in (FAILED_TURNS, UNTRUSTED) else OUR_FAULT, ""
    if summary.echoes.get("other"):  # a fact, whatever the figures are worth
        return FAILED_TURNS, cross_talk_words(summary)
    if not summary.validity.trustworthy:
        return UNTRUSTED, ""
    if summary.incomplete:
        return UNTRUSTED, " ".join(summary.incomplete)
    if manifest.capacity is not None:
        return _code_of_search(manifest.capacity)
    if unknown := nameless(summary) or unexpected_names(run, summary):
        return OUR_FAULT, unknown
    if worst(summary.slo) == MISSED:
        return MISSED_SLO, ""
    if hidden := not_measurable(summary):
        why = "Not measurable here" if any(one.unsure for one in hidden) else "No turn to judge by"
        return UNTRUSTED, f"{why}: {'; '.join(one.slo for one in hidden)}."
    if too_many_failed(run, summary):
        return FAILED_TURNS, f"{failed_words(summary)}: more than --allow-failed allows."
    if (manifest.plan is not None and manifest.plan.sure) and (doubtful := unsure(summary.slo)):
        return UNSURE, f"Not sure, as --sure asks: {'; '.join(one.slo for one in doubtful)}."
    return GOOD, ""


def nameless(summary: Summary) -> str:
    """Which SLOs speak of turns of a name that the run has none of: they would gate nothing. Empty where none does."""
    asked = sorted(
        {
            one.name
            for one in summary.slo
            if one.name and not any(is_part(one.name, of) for of in summary.groups)
        }
    )
    if not asked or not summary.turns:
        return ""
    names = ", ".join(map(repr, summary.groups)) or "none: give ask() one"
    return f"SLO of {', '.join(map(repr, asked))}: no turn has that name (names: {names})."


def unexpected_names(run: Run, summary: Summary) -> str:
    """Which checks of replies speak of turns of a name that the run has none of. Empty where none does."""
    plan = run.manifest.plan
    asked = turn_names(plan.expect) if plan is not None and summary.turns else []
    unknown = [name for name in asked if not any(is_part(name, of) for of in summary.groups)]
    if not unknown:
        return ""
    names = ", ".join(map(repr, summary.groups)) or "none: give ask() one"
    return f"--expect of {', '.join(map(repr, unknown))}: no turn has that name (names: {names})."


def cross_talk_words(summary: Summary) -> str:
    """How many replies were made for another user."""
    n = summary.echoes["other"]
    return (
        f"CROSS-TALK: {plural(n, 'reply')} held the reference of another user: somebody was shown what was made for "
        "somebody else."
    )


def _code_of_search(capacity: CapacityResult) -> tuple[int, str]:
    """A capacity search's SLOs are asked of each level, not of the run as a whole."""
    if capacity.server_gone:
        return FAILED_TURNS, capacity.stopped or "The server could not be reached any more."
    answer = answer_of(capacity)
    if answer == "not found":
        return UNTRUSTED, capacity.stopped or "The run ended before the search."
    return (MISSED_SLO, "No level held within the SLOs.") if answer == "none" else (GOOD, "")


def not_measurable(summary: Summary) -> list[SloVerdict]:
    """SLOs on what a proxy hides, or on what every reply should have and none has: a gate lets none of them through."""
    optional = {one.key for one in METRICS if one.of_some}
    return [
        one
        for one in summary.slo
        if one.verdict == UNDECIDED
        and (one.unsure == NOT_MEASURABLE or not (one.turns or one.metric in optional))
    ]


def too_many_failed(run: Run, summary: Summary, allowed: float | None = None) -> bool:
    """True when a greater share of turns failed than `allowed`; None: than the run's own --allow-failed."""
    if allowed is None:
        allowed = run.manifest.plan.allow_failed if run.manifest.plan is not None else 0.0
    return summary.failures > allowed * summary.turns


def failed_words(summary: Summary) -> str:
    """How many turns failed, by code."""
    if not summary.turns:
        return "no turn was held"
    codes = ", ".join(f"{n:,} {one_line(code, 30)}" for code, n in summary.failed.items())
    return f"{summary.failures:,} of {summary.turns:,} turns failed" + (f" ({codes})" if codes else "")
