"""Whether a run's measurement can be trusted: which turns the load generator itself may have spoiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chatload.analysis.distribution import describe
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import metric
from chatload.model.summary import Distribution, Validity
from chatload.model.turn import Turn
from chatload.store.journal import Run

SPOILING = {
    "censored_first": "first token's time is only an interval, because we looked late",
    "hub_lag": "our own lag is inside the first token's time",
    "late_send": "sent late",
    "clock_step": "the machine's clock was set meanwhile",
}
"""Marks that make a turn spoiled, in words."""

MOST_SPOILED = 0.01
"""Share of spoiled turns beyond which the run is untrustworthy; a single turn never makes it so."""

MOST_LAGGING = 0.01
"""Share of the time with a lag over 20 ms beyond which user-space stamps cannot be trusted (p99 lag over 20 ms)."""

WITHOUT = ("ttft_ms", "e2e_ms", "tpot_ms", "felt_tokens_per_s")


def validity_of(run: Run) -> Validity:
    """What the load generator may have spoiled in a run, and whether its measurement holds all the same."""
    turns = [turn for turn in run.turns if turn.counts]
    spoiled = [turn for turn in turns if is_spoiled(turn)]
    share = len(spoiled) / len(turns) if turns else 0.0
    lagging = _lagging_share(run.health)
    marks = Counter(mark for turn in spoiled for mark in turn.marks if mark in SPOILING)
    reasons = []
    if too_many_spoiled(len(spoiled), len(turns)):
        words = "; ".join(f"{n:,}: {SPOILING[mark]}" for mark, n in marks.most_common())
        reasons.append(
            f"{len(spoiled):,} of {len(turns):,} turns may be spoiled by the load generator ({words})"
        )
    if lagging > MOST_LAGGING and any(turn.stamp_source != "kernel" for turn in turns):
        reasons.append(
            f"the load generator lagged more than 20 ms for {lagging:.1%} of the time, "
            "and stamps were taken in user space"
        )
    lost = sum(line.lost_lines for line in run.ends)
    if lost:
        reasons.append(f"{lost:,} journal lines could not be written")
    return Validity(
        trustworthy=not reasons,
        reasons=tuple(reasons),
        spoiled=len(spoiled),
        turns=len(turns),
        share=share,
        marks=dict(marks.most_common()),
        lagging_share=lagging,
        without_spoiled=_without_spoiled(turns) if spoiled else None,
    )


def too_many_spoiled(spoiled: int, turns: int) -> bool:
    """True where so many of the turns may be spoiled that the measurement does not hold; one turn never makes it so."""
    return spoiled > 1 and spoiled > MOST_SPOILED * turns


def is_spoiled(turn: Turn) -> bool:
    """True when the client itself may have spoiled the turn's figures."""
    return any(mark in SPOILING for mark in turn.marks)


def _lagging_share(health: Sequence[HealthLine]) -> float:
    told = [
        (line.lagging_ms, line.seconds) for line in health if line.lagging_ms is not None and line.seconds
    ]
    seconds = sum(length_s for _, length_s in told)
    return sum(lagging_ms for lagging_ms, _ in told) / 1e3 / seconds if seconds else 0.0


def _without_spoiled(turns: Sequence[Turn]) -> dict[str, Distribution]:
    clean = [turn for turn in turns if turn.ok and not is_spoiled(turn)]
    return {
        key: describe(value for value in map(metric(key).value, clean) if value is not None)
        for key in WITHOUT
    }
