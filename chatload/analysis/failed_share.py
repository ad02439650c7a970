"""The share of failed turns of two sides of runs, compared: any difference beyond chance is one, however small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chatload.analysis.block_interval import Blocks, Estimate, share_estimate
from chatload.analysis.comparison_rules import LEAST_ROUNDS, difference_of_shares
from chatload.analysis.sample import Samples
from chatload.model.turn import Turn
from chatload.model.verdict import BETTER, CANNOT_TELL, DIFFER, SAME, WORSE, Effect, EffectOutcome

FAILED_MARGIN = 0.01
"""Shares of failed turns this near to each other are the same: one percent point."""
BY_COUNT = "by the number of users with a failed turn (Fisher's exact test)"
NONE_FAILED = "none failed: no sign of a difference, though rare failures would not show"


@dataclass(frozen=True, slots=True)
class Side:
    """One run of a comparison, and the turns of it that count."""

    turns: Sequence[Turn]
    samples: Samples
    closed_loop: bool = True

    @property
    def too_short(self) -> str:
        """Why it has no intervals; empty where it has."""
        return self.samples.figures.too_short


def failed_share(a: Sequence[Side], b: Sequence[Side], level: float) -> Effect:
    """B - A in shares of all turns that count; any difference beyond chance is one, however near the shares are."""
    share_a, share_b = _share_failed(a), _share_failed(b)
    if share_a is None or share_b is None:
        return Effect("failed_share", "failed turns", "%", None, None, None, None, CANNOT_TELL, "no turns")
    centre = share_b - share_a
    estimates = [_failed_estimate(side, level) for side in (a, b)]
    verdict: EffectOutcome = CANNOT_TELL
    remark, ends = NONE_FAILED if not share_a and not share_b else "", None
    if estimates[0] is not None and estimates[1] is not None:
        ends = difference_of_shares(estimates[0], estimates[1])
        if ends[0] >= -FAILED_MARGIN and ends[1] <= FAILED_MARGIN:
            verdict = SAME
        if ends[0] > 0.0 or ends[1] < 0.0:
            verdict = _better_or_worse(a, centre)
    elif centre:
        remark = next((side.samples.whole.too_short for side in (*a, *b) if side.samples.whole.too_short), "")
    few = min(len(a), len(b)) < LEAST_ROUNDS
    if (
        verdict == CANNOT_TELL
        and centre
        and few
        and _chance_of_more_failing(*((a, b) if centre > 0.0 else (b, a))) < (1.0 - level) / 2.0
    ):
        verdict, remark = _better_or_worse(a, centre), BY_COUNT
    return Effect("failed_share", "failed turns", "%", share_a, share_b, centre, ends, verdict, remark)


def _better_or_worse(a: Sequence[Side], centre: float) -> EffectOutcome:
    if len(a) < LEAST_ROUNDS:
        return DIFFER
    return WORSE if centre > 0.0 else BETTER


def _share_failed(sides: Sequence[Side]) -> float | None:
    turns = [turn.failed for side in sides for turn in side.turns if turn.counts]
    return sum(turns) / len(turns) if turns else None


def _failed_estimate(sides: Sequence[Side], level: float) -> Estimate | None:
    """The share of failed turns of all runs of a side, their blocks side by side; None where one is too short."""
    hits: list[bool] = []
    blocks: list[int] = []
    count = 0
    for side in sides:
        sample = side.samples.whole
        if sample.blocks is None:
            return None
        failed, block = sample.values(side.turns, lambda turn: turn.failed if turn.counts else None)
        hits += failed
        blocks += [count + one for one in block]
        count += sample.blocks.count
    return share_estimate(hits, blocks, Blocks(0, 1, count), level) if hits else None


def _chance_of_more_failing(a: Sequence[Side], b: Sequence[Side]) -> float:
    """How likely so many of B's users, or more, would have a failed turn if both sides failed alike.

    Fisher's exact test, one-sided: sum over k >= B's count of C(B, k) C(A, m - k) / C(A + B, m), m the users of both
    sides with a failed turn. It tells one run from others where failures come together, or the run is too short for an
    interval; it takes users as independent, so it names no better server.
    """
    (n_a, hit_a), (n_b, hit_b) = (_users(side) for side in (a, b))
    both = hit_a + hit_b
    whole = _log_ways(n_a + n_b, both)
    return sum(
        math.exp(_log_ways(n_b, k) + _log_ways(n_a, both - k) - whole)
        for k in range(hit_b, min(n_b, both) + 1)
        if both - k <= n_a
    )


def _users(sides: Sequence[Side]) -> tuple[int, int]:
    """(users of all runs, those of them with a failed turn)."""
    every = [{(turn.group, turn.user) for turn in side.turns if turn.counts} for side in sides]
    failed = [{(turn.group, turn.user) for turn in side.turns if turn.failed} for side in sides]
    return sum(map(len, every)), sum(map(len, failed))


def _log_ways(n: int, k: int) -> float:
    """log C(n, k)."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
