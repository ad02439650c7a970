"""B against A: the effect on each metric, its interval, and a verdict at a margin.

Effects are ratios B / A. Their standard error, on the log scale, is from a block bootstrap over conversations;
the interval is Student's around the measured effect. With several metrics, each interval is
at the level 1 − 0.05 / number of metrics (Bonferroni), so that all of them hold together 95 times in 100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import variance

from chatload.analysis.beta import student_quantile
from chatload.analysis.bootstrap import RESAMPLES, Quantile, Ranked, draws, weighted_sum
from chatload.analysis.goodput import Conversation, tally_of
from chatload.analysis.quantiles import least_n, percentile
from chatload.analysis.share_interval import interval
from chatload.model.metrics import View, metrics_in
from chatload.model.summary import PERCENTILES
from chatload.model.turn import Turn
from chatload.model.verdict import (
    BETTER,
    MIXED,
    SAME,
    UNDECIDED,
    WORSE,
    ComparisonOutcome,
    Effect,
    EffectOutcome,
)

LEAST_CONVERSATIONS = 10
"""With fewer conversations on a side, a bootstrap over them does not hold its level."""
LEAST_RESAMPLES, MOST_DRAWN = 400, 4_000_000
"""Bounds of the number of resamples and of conversations drawn; 400 resamples give a standard error to 4 %."""
LEAST_ROUNDS = 4
"""From so many rounds a side on, the intervals include what changes from run to run."""
FAILED_MARGIN = 0.01
"""Shares of failed turns this near to each other are the same: one percent point."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: its runs' conversations, round by round."""

    rounds: tuple[tuple[Conversation, ...], ...]
    closed_loop: bool = True

    @property
    def conversations(self) -> list[Conversation]:
        """Those of all rounds."""
        return [one for conversations in self.rounds for one in conversations]


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


def effects(a: Side, b: Side, margin: float, *, resamples: int = RESAMPLES, seed: int = 1) -> list[Effect]:
    """Every metric of both sides; all intervals together hold with 95 %."""
    compared = [one for one in measures() if one.of is not None or (a.closed_loop and b.closed_loop)]
    level = 1.0 - 0.05 / (len(compared) + 1)
    logs = [_replicates(side, compared, resamples, seed + i) for i, side in enumerate((a, b))]
    found = [_effect(one, (a, b), (logs[0][i], logs[1][i]), level, margin) for i, one in enumerate(compared)]
    return [*found, _failed_share(a, b, level)]


def overall(found: Sequence[Effect]) -> ComparisonOutcome:
    """The verdict over all metrics that have something to tell.

    Better or worse only where the shares of failed turns are told apart, or alike: a server that refuses work looks
    fast. The verdict on A against B is that on B against A turned round.
    """
    told = [one for one in found if not one.none_failed]
    verdicts = {one.verdict for one in told}
    if {BETTER, WORSE} <= verdicts:
        return MIXED
    if any(one.metric == "failed_share" and one.verdict == UNDECIDED for one in told):
        return UNDECIDED
    return next((one for one in (WORSE, BETTER, UNDECIDED) if one in verdicts), SAME)


def value(one: Measure, rounds: Sequence[Sequence[Conversation]]) -> float | None:
    """The number itself, over all rounds.

    System tokens/s = users of a round × Σ tokens ÷ Σ (last end − first due) of their conversations.
    """
    conversations = [conversation for held in rounds for conversation in held]
    if one.of is None:
        tokens, seconds = _tokens_and_seconds(conversations)
        users = len(conversations) / max(1, len(rounds))
        return users * sum(tokens) / sum(seconds) if sum(seconds) > 0 else None
    ordered = sorted(value for turns in _values(one, conversations) for value in turns)
    return percentile(ordered, one.p) if ordered else None


def _effect(
    one: Measure, sides: tuple[Side, Side], logs: tuple[list[float], list[float]], level: float, margin: float
) -> Effect:
    a, b = (value(one, side.rounds) for side in sides)
    why = next((words for side in sides if (words := _too_small(one, side))), "")
    if why or not a or not b or a <= 0 or b <= 0 or min(map(len, logs)) < 2:
        return Effect(one.key, one.words, one.unit, a, b, None, None, UNDECIDED, why or "nothing to compare")
    centre = math.log(b / a)
    reach = _reach(one, sides, variance(logs[0]) + variance(logs[1]), level)
    low, high = math.exp(centre - reach), math.exp(centre + reach)
    verdict = effect_verdict(low, high, 1.0 / (1.0 + margin), 1.0 + margin, one.more_is_better, 1.0)
    return Effect(one.key, one.words, one.unit, a, b, b / a, (low, high), verdict)


def effect_verdict(
    low: float, high: float, least: float, most: float, more_is_better: bool, none: float
) -> EffectOutcome:
    """same: the interval is within the margin; better or worse: it excludes no effect; else undecided."""
    if least <= low and high <= most:
        return SAME
    if low > none:
        return BETTER if more_is_better else WORSE
    if high < none:
        return WORSE if more_is_better else BETTER
    return UNDECIDED


def _reach(one: Measure, sides: tuple[Side, Side], error: float, level: float) -> float:
    """Half the interval on the log scale: t × standard error.

    With four rounds or more their own scatter is asked too, s² / R with s² the variance of the R rounds' effects:
    V = max(e, s²/R), Satterthwaite's degrees of freedom V² / ((s²/R)²/(R−1) + e²/(conversations − 1)).
    With fewer rounds nobody can know what changes from run to run; the comparison warns of that.
    """
    degrees = min(len(side.conversations) for side in sides) - 1.0
    rounds = [
        (value(one, [mine]), value(one, [theirs]))
        for mine, theirs in zip(sides[0].rounds, sides[1].rounds, strict=False)
    ]
    logs = [math.log(theirs / mine) for mine, theirs in rounds if mine and theirs]
    total = error
    if len(logs) >= LEAST_ROUNDS:
        scatter = variance(logs) / len(logs)
        total = max(error, scatter)
        parts = scatter**2 / (len(logs) - 1) + error**2 / degrees
        degrees = total**2 / parts if parts else degrees
    return student_quantile(1.0 - (1.0 - level) / 2.0, degrees) * math.sqrt(total)


def _replicates(side: Side, measures: Sequence[Measure], resamples: int, seed: int) -> list[list[float]]:
    """Logs of every measure, resample by resample; the same resamples serve all measures."""
    conversations = side.conversations
    tokens, seconds = _tokens_and_seconds(conversations)
    quantiles = [
        None
        if one.of is None
        else Quantile(Ranked.of(_values(one, conversations)), one.p, len(conversations))
        for one in measures
    ]
    logs: list[list[float]] = [[] for _ in measures]
    enough = min(resamples, max(LEAST_RESAMPLES, MOST_DRAWN // max(1, len(conversations))))
    for weights in draws([len(one) for one in side.rounds], enough, seed):
        for quantile, kept in zip(quantiles, logs, strict=True):
            if quantile is not None:
                drawn = quantile.of(weights)
            else:
                length = weighted_sum(weights, seconds)
                drawn = weighted_sum(weights, tokens) / length if length else None
            if drawn and drawn > 0:
                kept.append(math.log(drawn))
    return logs


def _values(one: Measure, conversations: Sequence[Conversation]) -> list[list[float]]:
    of = one.of
    assert of is not None
    return [
        [value for turn in turns if turn.ok and (value := of(turn)) is not None] for turns in conversations
    ]


def _tokens_and_seconds(conversations: Sequence[Conversation]) -> tuple[list[float], list[float]]:
    tokens = [float(sum(turn.tokens or 0 for turn in turns if turn.ok)) for turns in conversations]
    seconds = [
        (max(turn.end_ns for turn in turns) - min(turn.due_ns for turn in turns)) / 1e9
        for turns in conversations
    ]
    return tokens, seconds


def _too_small(one: Measure, side: Side) -> str:
    conversations = side.conversations
    if len(conversations) < LEAST_CONVERSATIONS:
        return f"n too small: {len(conversations)} conversations, {LEAST_CONVERSATIONS} needed"
    if one.of is not None:
        n, needed = sum(map(len, _values(one, conversations))), least_n(one.p)
        if n < needed:
            return f"n too small: {n} turns, {needed} needed"
    return ""


def _failed_share(a: Side, b: Side, level: float) -> Effect:
    """B − A in shares; the interval is put together from both sides' own (MOVER, Newcombe 1998)."""
    tallies = [tally_of(side.conversations, _failed) for side in (a, b)]
    share_a, share_b = (tally.share for tally in tallies)
    if share_a is None or share_b is None:
        return Effect(
            "failed_share", "failed turns", "%", share_a, share_b, None, None, UNDECIDED, "no turns"
        )
    (low_a, high_a), (low_b, high_b) = (interval(tally, level) for tally in tallies)
    centre = share_b - share_a
    low = centre - math.hypot(share_b - low_b, high_a - share_a)
    high = centre + math.hypot(high_b - share_b, share_a - low_a)
    # More or fewer failed turns beyond chance are never the same, however near the shares are.
    verdict = effect_verdict(low, high, -FAILED_MARGIN, FAILED_MARGIN, False, 0.0)
    by_count = ""
    if low > 0.0 or high < 0.0:
        verdict = WORSE if low > 0.0 else BETTER
    elif centre and chance_of_more_failing(*((a, b) if centre > 0.0 else (b, a))) < (1.0 - level) / 2.0:
        verdict = WORSE if centre > 0.0 else BETTER
        by_count = "by the number of conversations with a failed turn (Fisher's exact test)"
    remark = (
        by_count
        if share_a or share_b
        else "none failed: no sign of a difference, though rare failures would not show"
    )
    return Effect("failed_share", "failed turns", "%", share_a, share_b, centre, (low, high), verdict, remark)


def chance_of_more_failing(a: Side, b: Side) -> float:
    """How likely so many of B's conversations, or more, would have a failed turn if both sides failed alike.

    Fisher's exact test, one-sided: Σ over k ≥ B's count of C(B, k) · C(A, m − k) / C(A + B, m), with m the
    conversations of both sides that have a failed turn. The interval of a share of turns cannot see this where
    one side has no failure: it takes the conversations for as wide a guess as their number allows.
    """
    (n_a, hit_a), (n_b, hit_b) = (
        (len(side.conversations), sum(any(turn.failed for turn in turns) for turns in side.conversations))
        for side in (a, b)
    )
    both = hit_a + hit_b
    whole = _log_ways(n_a + n_b, both)
    return sum(
        math.exp(_log_ways(n_b, k) + _log_ways(n_a, both - k) - whole)
        for k in range(hit_b, min(n_b, both) + 1)
        if both - k <= n_a
    )


def _failed(turn: Turn) -> bool:
    return turn.failed


def _log_ways(n: int, k: int) -> float:
    """log C(n, k)."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
