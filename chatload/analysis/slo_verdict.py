"""SLOs against turns: met or missed, and whether that is sure. The one place where SLOs are decided.

The measured value decides (docs/statistics.md, SLO gates), so that a gate can be red after a short run too. It is
sure where the limit lies outside the 95 % interval. Percentiles and goodput are those of the turns due while all users
were in; shares of failures, single worst turns and whole conversations are those of the whole run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from chatload.analysis.arrivals import growth_words, visitors_growth
from chatload.analysis.block_interval import Estimate, quantile_estimate, share_estimate
from chatload.analysis.growth import Growth
from chatload.analysis.quantiles import least_n, percentile, too_few
from chatload.analysis.sample import Sample, Samples, asked_of, samples, side_by_side
from chatload.analysis.slo_answers import Answers, answers_of
from chatload.analysis.slo_cure import cure
from chatload.analysis.standstill import longest_standstill
from chatload.loads.load_shape import Load
from chatload.model.slo import BAD_SHARES, Objective, limits_of_a_turn
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.model.verdict import MET, MISSED, PART, UNDECIDED, Bound, Goodput, SloOutcome, SloVerdict
from chatload.options.run_options import ALL_IN
from chatload.store.journal import Run

WORST_FIRST: tuple[SloOutcome, ...] = (MISSED, UNDECIDED, MET, PART)
NOT_MEASURABLE = "not measurable here: a proxy in between holds the stream"
OVERLAP = "whole conversations all run at the same time: no interval is known for their share"


@dataclass(frozen=True, slots=True)
class Measured:
    """The number an SLO speaks of, bad is high for a percentile; None without turns. `n` turns, or conversations."""

    value: float | None
    estimate: Estimate | None
    n: int


def verdicts_of(
    turns: Sequence[Turn], objectives: Sequence[Objective], load: Load | None = None, asked: str = ALL_IN
) -> tuple[SloVerdict, ...]:
    """The verdict on every SLO by the turns of a run under a load, in the order asked."""
    return judged(answers_of(turns, objectives), samples(turns, load, asked), load, turns)


def with_slos(summary: Summary, run: Run, objectives: Sequence[Objective], window: str = "") -> Summary:
    """The summary with the verdicts on these SLOs; its goodput is None where nothing is asked of a turn."""
    if not objectives:
        return msgspec.structs.replace(summary, slo=(), goodput=None)
    answers, load = answers_of(run.turns, objectives), run.manifest.load
    found = samples(run.turns, load, asked_of(run, window))
    slo = judged(answers, found, load, run.turns)
    if (grown := visitors_growth(run)) is not None:
        slo = tuple(_with_growth(one, grown) for one in slo)
    return msgspec.structs.replace(summary, slo=slo, goodput=_goodput(run.turns, objectives, found))


def _with_growth(one: SloVerdict, found: Growth) -> SloVerdict:
    """The verdict where visitors may pile up: no limit that holds in a short window then holds in a longer one."""
    if one.verdict != MET:
        return one
    if found.grows:
        words = f"visitors pile up: {growth_words(found)}"
        return msgspec.structs.replace(one, verdict=UNDECIDED, sure=False, unsure=words)
    if one.sure and not found.is_shown_stable:
        words = "the time is too short to tell whether visitors pile up: let them arrive for longer"
        return msgspec.structs.replace(one, sure=False, unsure=words)
    return one


def _goodput(turns: Sequence[Turn], objectives: Sequence[Objective], found: Samples) -> Goodput | None:
    limits = limits_of_a_turn(objectives)
    if not limits:
        return None
    names = ("goodput", "conversation_goodput")
    shares = [Objective(name, "share", name, at_most=False, limit=0.0) for name in names]
    answers, first = answers_of(turns, [*limits, *shares]), len(limits)
    return Goodput(
        tuple(one.words for one in limits),
        _measured(answers, first, found.figures).value,
        _measured(answers, first + 1, found.whole).value,
        found.figures.name,
    )


def level_verdict(
    turns: Sequence[Turn], slo: Sequence[Objective]
) -> tuple[SloOutcome, bool, list[SloVerdict]]:
    """One level of a capacity search: the worst verdict, whether that is sure, the verdict on each SLO.

    A share of bad turns that is 0 does not make a level unsure: the few turns of a small level can never show that it
    stays below 1 %, and nothing speaks against it. Where only such SLOs are asked, they do.
    """
    level = side_by_side(turns, lambda i: turns[i].group)
    verdicts = list(judged(answers_of(turns, slo), Samples(level, level), None, turns))
    outcome = worst(verdicts) if turns else MISSED
    decisive = [one for one in verdicts if one.verdict == outcome]
    telling = [one for one in decisive if not (one.metric in BAD_SHARES and one.turns and one.value == 0.0)]
    sure = [one.sure is not False for one in telling or decisive]
    return outcome, any(sure) if outcome == MISSED else all(sure), verdicts


def judged(
    answers: Answers, found: Samples, load: Load | None, turns: Sequence[Turn] = ()
) -> tuple[SloVerdict, ...]:
    """The verdicts on the SLOs by what the turns answered; `turns` are asked for figures of the run itself."""
    return tuple(
        _of_run(one, turns, found.whole)
        if one.kind == "run"
        else _verdict(one, answers, position, _sample_for(one, found), load)
        for position, one in enumerate(answers.objectives)
    )


def worst(verdicts: Iterable[SloVerdict]) -> SloOutcome:
    """The verdict over all SLOs: missed before undecided before met; part if there are none."""
    found = {one.verdict for one in verdicts}
    return next((verdict for verdict in WORST_FIRST if verdict in found), PART)


def unsure(verdicts: Iterable[SloVerdict]) -> list[SloVerdict]:
    """Those that are not sure, or undecided."""
    return [one for one in verdicts if one.sure is False or one.verdict == UNDECIDED]


def outcome_of(asked: Objective, value: float | None) -> SloOutcome:
    """The verdict by the measured value, None where no turn has one; a percentile's is turned round (`Answers`)."""
    if asked.kind == "turn":
        return PART
    if value is None:
        return UNDECIDED
    if asked.kind == "share" and not asked.at_most:
        return MET if value >= asked.limit else MISSED
    return MET if value <= _limit(asked) else MISSED


def _sample_for(asked: Objective, found: Samples) -> Sample:
    return found.figures if asked.kind == "percentile" or asked.metric == "goodput" else found.whole


def _limit(asked: Objective) -> float:
    """The limit as the answers are: turned round for a metric of which more is better."""
    turned = asked.kind in ("percentile", "extreme") and not asked.at_most
    return -asked.limit if turned else asked.limit


def _verdict(
    asked: Objective, answers: Answers, position: int, sample: Sample, load: Load | None
) -> SloVerdict:
    hidden = asked.kind != "turn" and answers.is_hidden(position, sample.index)
    measured = Measured(None, None, 0) if hidden else _measured(answers, position, sample)
    value, estimate = measured.value, measured.estimate
    outcome = outcome_of(asked, value)
    sure, why = None, NOT_MEASURABLE if hidden else ""
    if outcome in (MET, MISSED) and asked.kind != "extreme":
        sure = estimate is not None and _is_sure(asked, outcome, estimate)
        if not sure:
            overlap = asked.metric == "conversation_goodput"
            why = OVERLAP if overlap else cure(asked, estimate, _limit(asked), sample, load)
    told = (
        []
        if hidden
        else [
            i
            for i, one in zip(sample.index, answers.to(position, sample.index), strict=True)
            if one is not None
        ]
    )
    turned = asked.kind in ("percentile", "extreme") and not asked.at_most
    return SloVerdict(
        slo=asked.words,
        verdict=outcome,
        metric=asked.metric,
        value=_shown(value, turned=turned),
        interval=_ends(estimate, turned=turned),
        turns=len(told) if asked.metric != "conversation_goodput" else measured.n,
        conversations=len(set(answers.conversations(told))),
        window=sample.name,
        sure=sure,
        unsure=why,
        least_turns=_least_turns(asked, len(told)),
        name=asked.name,
    )


def _least_turns(asked: Objective, n: int) -> int:
    """How many turns a percentile needs, if n are too few."""
    return least_n(asked.p) if asked.kind == "percentile" and too_few(n, asked.p) else 0


def _of_run(asked: Objective, turns: Sequence[Turn], whole: Sample) -> SloVerdict:
    """The verdict on a figure of the whole run, a fact: the longest standstill."""
    counted = sum(turn.counts for turn in turns)
    longest = longest_standstill(turns)
    value = (longest.length_ns / 1e9 if longest is not None else 0.0) if counted else None
    return SloVerdict(
        asked.words, outcome_of(asked, value), asked.metric, value, None, counted, 0, whole.name
    )


def _measured(answers: Answers, position: int, sample: Sample) -> Measured:
    """The number that an SLO speaks of, in a sample."""
    asked = answers.objectives[position]
    told = answers.to(position, sample.index)
    if asked.metric == "conversation_goodput":
        return _of_conversations(answers.conversations(sample.index), told)
    kept = [i for i, one in enumerate(told) if one is not None]
    values = [one for one in told if one is not None]
    if not values:
        return Measured(None, None, 0)
    block = [sample.block[i] for i in kept] if sample.blocks is not None else []
    estimate = None
    if asked.kind == "extreme":
        return Measured(max(values), None, len(values))
    if asked.kind == "percentile":
        if sample.blocks is not None:
            estimate = quantile_estimate(values, block, sample.blocks, asked.share_asked)
        return Measured(percentile(sorted(values), asked.share_asked), estimate, len(values))
    if sample.blocks is not None and asked.kind == "share":
        estimate = share_estimate([one > 0.0 for one in values], block, sample.blocks)
    return Measured(sum(values) / len(values), estimate, len(values))


def _of_conversations(conversations: Sequence[int], told: Sequence[float | None]) -> Measured:
    """The share of whole conversations: every turn of it that counts answered 1."""
    whole: dict[int, bool] = {}
    for who, one in zip(conversations, told, strict=True):
        if one is not None:
            whole[who] = whole.get(who, True) and one > 0.0
    return Measured(sum(whole.values()) / len(whole) if whole else None, None, len(whole))


def _is_sure(asked: Objective, outcome: SloOutcome, estimate: Estimate) -> bool:
    """True where the limit lies outside the interval."""
    limit, low, high = _limit(asked), estimate.low, estimate.high
    within_below = asked.kind != "share" or asked.at_most
    if outcome == MET:
        return high is not None and high <= limit if within_below else low is not None and low >= limit
    return low is not None and low > limit if within_below else high is not None and high < limit


def _ends(estimate: Estimate | None, *, turned: bool) -> tuple[Bound, Bound] | None:
    if estimate is None:
        return None
    low, high = _shown(estimate.low, turned=turned), _shown(estimate.high, turned=turned)
    return (high, low) if turned else (low, high)


def _shown(value: float | None, *, turned: bool) -> float | None:
    """A number as it is shown: None where a failed turn is that far."""
    if value is None or not math.isfinite(value):
        return None
    return -value + 0.0 if turned else value
