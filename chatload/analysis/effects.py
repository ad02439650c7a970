"""The figures that are compared of two sides of runs, by the rules of `comparison_rules`.

Times and speeds are compared as ratios B / A, failed turns as a difference of shares. All figures together are right
in 95 of 100 cases: each is asked at the level 1 - 0.05 / number of figures (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import msgspec

from chatload.analysis.block_interval import (
    Estimate,
    quantile_estimate,
    rate_estimate,
    tokens_by_block,
)
from chatload.analysis.comparison_rules import (
    LEAST_BASELINES,
    LEAST_ROUNDS,
    LESS,
    MORE,
    RunFigure,
    against_baselines,
    family_level,
    rounds,
)
from chatload.analysis.failed_share import Side, failed_share
from chatload.analysis.quantiles import percentile, too_few
from chatload.analysis.throughput import throughput
from chatload.model.metrics import View, metrics_in
from chatload.model.summary import PERCENTILES, TOO_FEW_TURNS
from chatload.model.turn import Turn
from chatload.model.verdict import (
    BETTER,
    CANNOT_TELL,
    DIFFER,
    MIXED,
    NOT_WORSE,
    SAME,
    WORSE,
    ComparisonOutcome,
    Effect,
    EffectOutcome,
)

NO_INTERVAL = f"{TOO_FEW_TURNS}: more turns a user would have one"


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is compared. `of` is of one good turn; None: the system's tokens/s."""

    key: str
    words: str
    unit: str
    more_is_better: bool
    of: Callable[[Turn], float | None] | None = None
    p: float = 0.5


SYSTEM_SPEED = Measure("system_tokens_per_s", "system speed", "tokens/s", True)


def measures() -> list[Measure]:
    """What is compared besides the share of failed turns."""
    of_turns = [
        Measure(
            f"{one.key}_{name}",
            f"{one.label} {name}",
            one.unit,
            one.more_is_better,
            one.of,
            PERCENTILES[name],
        )
        for one in metrics_in(View.COMPARISON)
        for name in one.shown[View.COMPARISON]
    ]
    return [*of_turns, SYSTEM_SPEED]


def effects(a: Sequence[Side], b: Sequence[Side], margin: float) -> list[Effect]:
    """Every figure of B against A, rounds in pairs; all verdicts together hold with 95 %."""
    compared, level = _family(a, b)
    found = [effect_of(one, a, b, margin, level) for one in compared]
    return [*found, failed_share(a, b, level)]


def against(baselines: Sequence[Side], new: Side, margin: float) -> list[Effect]:
    """Every figure of a new run against stored ones: worse, or not worse."""
    compared, level = _family(baselines, [new])
    found = [_checked(one, baselines, new, margin, level) for one in compared]
    failed = failed_share(baselines, [new], level)
    if failed.verdict in (DIFFER, BETTER):
        failed = msgspec.structs.replace(failed, verdict=WORSE if (failed.effect or 0.0) > 0.0 else NOT_WORSE)
    return [*found, failed]


def overall(found: Sequence[Effect]) -> ComparisonOutcome:
    """The verdict over all figures that have something to tell.

    Better only where no more turns failed, or that is told apart: a server that refuses work looks fast. The verdict on
    A against B is that on B against A turned round.
    """
    told = [one for one in found if not one.none_failed]
    verdicts = {one.verdict for one in told}
    if {BETTER, WORSE} <= verdicts:
        return MIXED
    if (
        any(one.metric == "failed_share" and one.verdict == CANNOT_TELL for one in told)
        and WORSE not in verdicts
    ):
        return DIFFER if DIFFER in verdicts else CANNOT_TELL
    order: tuple[EffectOutcome, ...] = (WORSE, BETTER, DIFFER, CANNOT_TELL, NOT_WORSE)
    return next((one for one in order if one in verdicts), SAME)


def estimate(one: Measure, side: Side) -> Estimate | None:
    """The figure of one run; its errors are NaN where the run is too short. None where it has no value."""
    sample = side.samples.figures
    if one.of is None:
        return _system_speed(side)
    of = one.of
    values, block = sample.values(side.turns, lambda turn: of(turn) if turn.ok else None)
    if not values:
        return None
    if sample.blocks is None:
        return Estimate(percentile(sorted(values), one.p), None, None, len(values))
    return quantile_estimate(values, block, sample.blocks, one.p)


def _system_speed(side: Side) -> Estimate | None:
    good, sample = [turn for turn in side.turns if turn.ok], side.samples.figures
    if sample.blocks is not None:
        return rate_estimate(tokens_by_block(good, sample.blocks), sample.blocks)
    speed = throughput(good, sample.window).tokens_per_s
    return None if speed is None else Estimate(speed, None, None, len(good))


def _family(a: Sequence[Side], b: Sequence[Side]) -> tuple[list[Measure], float]:
    """What is compared, and the level of each."""
    closed = all(side.closed_loop for side in (*a, *b))
    compared = [one for one in measures() if one.of is not None or closed]
    return compared, family_level(len(compared) + 1)


def _figures(one: Measure, sides: Sequence[Side]) -> tuple[list[RunFigure], str]:
    """The figure of each run, none where a run has none that is positive; and `n<72` where a percentile is of too few
    turns, all runs together."""
    found = [estimate(one, side) for side in sides]
    known = [each for each in found if each is not None and 0.0 < each.value < math.inf]
    if not known or len(known) < len(found):
        return [], ""
    few = too_few(sum(each.n for each in known), one.p) if one.of is not None else ""
    return [RunFigure.of(each) for each in known], few


def effect_of(one: Measure, a: Sequence[Side], b: Sequence[Side], margin: float, level: float) -> Effect:
    """One figure of B against A, rounds in pairs, at this level."""
    (theirs, few), (mine, few_here) = _figures(one, a), _figures(one, b)
    few = few or few_here
    if not theirs or not mine or (few and len(a) < LEAST_ROUNDS):
        return _nothing(one, few)
    middles = _middle(theirs), _middle(mine)
    ratio = middles[1] / middles[0]
    short = next((side.too_short for side in (*a, *b) if side.too_short), "")
    if short and len(a) < LEAST_ROUNDS:
        return Effect(one.key, one.words, one.unit, *middles, ratio, None, CANNOT_TELL, short)
    found = rounds(theirs, mine, margin, level)
    verdict: EffectOutcome = CANNOT_TELL
    if found.verdict in (LESS, MORE):
        verdict = BETTER if (found.verdict == MORE) == one.more_is_better else WORSE
    elif found.verdict in (SAME, DIFFER):
        verdict = SAME if found.verdict == SAME else DIFFER
    ends = (found.low, found.high) if math.isfinite(found.high) else None
    remark = "" if ends else NO_INTERVAL
    effect = Effect(
        one.key, one.words, one.unit, *middles, found.ratio, ends, verdict, remark, longer=found.longer
    )
    return _told(effect, few)


def _checked(one: Measure, baselines: Sequence[Side], new: Side, margin: float, level: float) -> Effect:
    (figures, few), (own, few_here) = _figures(one, baselines), _figures(one, [new])
    few = few or few_here
    if not figures or not own or (few and len(baselines) < LEAST_BASELINES):
        return _nothing(one, few)
    a, b = _middle(figures), _middle(own)
    short = next((side.too_short for side in (*baselines, new) if side.too_short), "")
    if short and len(baselines) < LEAST_BASELINES:
        return Effect(one.key, one.words, one.unit, a, b, b / a, None, CANNOT_TELL, short)
    found = against_baselines(figures, own[0], margin, level, more_is_better=one.more_is_better)
    if not 0.0 < found.limit < math.inf:
        return _told(Effect(one.key, one.words, one.unit, a, b, b / a, None, CANNOT_TELL, NO_INTERVAL), few)
    verdict: EffectOutcome = WORSE if found.alarm else NOT_WORSE
    effect = Effect(one.key, one.words, one.unit, a, b, found.ratio, None, verdict, limit=found.limit)
    return _told(effect, few)


def _middle(figures: Sequence[RunFigure]) -> float:
    """The geometric mean of the runs' values."""
    return math.exp(fmean(each.log for each in figures))


def _nothing(one: Measure, few: str) -> Effect:
    why = _too_few_words(few) if few else "nothing to compare"
    return Effect(one.key, one.words, one.unit, None, None, None, None, CANNOT_TELL, why)


def _told(found: Effect, few: str) -> Effect:
    """The effect without the values of a percentile of too few turns: how runs differ tells of them all the same."""
    if not few:
        return found
    remark = found.remark or f"{_too_few_words(few)}: judged by how the runs differ"
    return msgspec.structs.replace(found, a=None, b=None, remark=remark)


def _too_few_words(few: str) -> str:
    return f"too few turns for this percentile ({few})"
