"""SLOs against turns: met, missed, or undecided, each with its interval. The one place where SLOs are decided.

A verdict is given only where the 95 % interval lies wholly on one side of the limit: of the verdicts “met” given
where the truth is a miss there are at most 2.5 %, and the other way round. The interval covers chance among the
conversations of this run, not changes of the server between runs.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import msgspec

from chatload.analysis.goodput import (
    Conversation,
    conversation_goodput,
    conversations_of,
    counted_by,
    keeps_all,
    tally_of,
    value_of,
)
from chatload.analysis.quantiles import percentile
from chatload.analysis.share_interval import Tally, interval, surely_above, surely_below, turns_needed
from chatload.analysis.standstill import longest_standstill
from chatload.model.slo import BAD_SHARES, Objective, limits_of_a_turn
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.model.verdict import MET, MISSED, PART, UNDECIDED, Goodput, SloOutcome, SloVerdict

WORST_FIRST: tuple[SloOutcome, ...] = (MISSED, UNDECIDED, MET, PART)


def verdicts_of(turns: Iterable[Turn], objectives: Sequence[Objective]) -> tuple[SloVerdict, ...]:
    """The verdict on every SLO by the turns of a run, in the order asked."""
    held = list(turns)
    conversations = conversations_of(held)
    limits = limits_of_a_turn(objectives)
    return tuple(
        _of_run(one, held) if one.kind == "run" else _verdict(one, conversations, limits)
        for one in objectives
    )


def with_slos(summary: Summary, turns: Sequence[Turn], objectives: Sequence[Objective]) -> Summary:
    """The summary with the verdicts on these SLOs; its goodput is None where nothing is asked of a turn."""
    limits = limits_of_a_turn(objectives)
    good = None
    if limits:
        conversations = conversations_of(turns)
        good = Goodput(
            tuple(limit.words for limit in limits),
            tally_of(conversations, keeps_all(limits)).share,
            conversation_goodput(conversations, limits).share,
        )
    return msgspec.structs.replace(summary, slo=verdicts_of(turns, objectives), goodput=good)


def level_verdict(
    turns: Sequence[Turn], slo: Sequence[Objective]
) -> tuple[SloOutcome, bool, list[SloVerdict]]:
    """One level of a capacity search: the worst verdict, whether the measured values pass, the verdict on each SLO.

    A share of bad turns that is 0 does not make a level undecided: the few turns of a small level can never show that
    it stays below 1 %, and nothing speaks against it. Where only such SLOs are asked, they do.
    """
    verdicts = list(verdicts_of(turns, slo))
    passed = bool(turns) and all(_passes(one, asked) for one, asked in zip(verdicts, slo, strict=True))
    telling = [one for one in verdicts if not (one.metric in BAD_SHARES and one.turns and one.value == 0.0)]
    return worst(telling or verdicts), passed, verdicts


def _passes(one: SloVerdict, asked: Objective) -> bool:
    if one.verdict == PART:  # a limit that goodput counts
        return True
    if one.value is None:
        return False
    return one.value <= asked.limit if asked.at_most else one.value >= asked.limit


def worst(verdicts: Iterable[SloVerdict]) -> SloOutcome:
    """The verdict over all SLOs: missed before undecided before met; part if there are none."""
    found = {one.verdict for one in verdicts}
    return next((verdict for verdict in WORST_FIRST if verdict in found), PART)


def verdict_of(asked: Objective, tally: Tally) -> SloOutcome:
    """The verdict by conversations of which so many turns are what `counted_by(asked, …)` counts."""
    if asked.kind == "turn":
        return PART
    if tally.share is None:
        return UNDECIDED
    if asked.kind == "extreme":  # a fact of the run: nothing is estimated, so nothing is uncertain
        return MET if tally.met == tally.turns else MISSED
    if asked.kind == "percentile":
        at_most, limit, beyond = False, asked.share_asked, True
    else:  # no share is above 100 % nor below 0 %: that alone is no miss
        at_most, limit, beyond = asked.at_most, asked.limit, tally.share != asked.limit
    met, missed = (surely_below, surely_above) if at_most else (surely_above, surely_below)
    return MET if met(tally, limit) else MISSED if missed(tally, limit) and beyond else UNDECIDED


def _of_run(asked: Objective, turns: Sequence[Turn]) -> SloVerdict:
    """The verdict on a figure of the whole run, a fact: the longest standstill."""
    counted = [turn for turn in turns if turn.counts]
    longest = longest_standstill(turns)
    value = longest.length_ns / 1e9 if longest is not None else 0.0
    verdict: SloOutcome = (MET if value <= asked.limit else MISSED) if counted else UNDECIDED
    return SloVerdict(asked.words, verdict, asked.metric, value if counted else None, None, len(counted), 0)


def _verdict(
    asked: Objective, conversations: Sequence[Conversation], limits: Sequence[Objective]
) -> SloVerdict:
    if asked.metric == "conversation_goodput":
        tally = conversation_goodput(conversations, limits)
    else:
        tally = tally_of(conversations, counted_by(asked, limits))
    verdict = verdict_of(asked, tally)
    value, between = _MEASURED.get(asked.kind, _share)(asked, conversations, tally)
    limit = asked.share_asked if asked.kind == "percentile" else asked.limit
    undecided = verdict == UNDECIDED and asked.kind != "extreme"
    needed = turns_needed(tally, limit) if undecided else None
    return SloVerdict(
        asked.words, verdict, asked.metric, value, between, int(tally.turns), int(tally.conversations), needed
    )


Measured = tuple[float | None, tuple[float | None, float | None] | None]
"""The number that an SLO speaks of, and its 95 % interval."""


def _percentile(asked: Objective, conversations: Sequence[Conversation], tally: Tally) -> Measured:
    """The interval is that of the share of turns within a limit, read off the metric's own scale.

    “More is better” is turned round, so that bad is always high and a failed turn is +∞.
    """
    sign = 1.0 if asked.at_most else -1.0
    kept: list[list[float]] = []
    for turns in conversations:
        values = [(value_of(asked, turn) if turn.ok else sign * math.inf) for turn in turns]
        kept.append(sorted(sign * value for value in values if value is not None))
    ordered = sorted(value for values in kept for value in values)

    def within(limit: float) -> Tally:
        return Tally.of(
            (bisect_left(values, math.nextafter(limit, math.inf)), len(values)) for values in kept
        )

    share = asked.share_asked
    low = _finite(sign * _first(ordered, lambda value: not surely_below(within(value), share)))
    high = _finite(sign * _first(ordered, lambda value: surely_above(within(value), share)))
    value = _finite(sign * percentile(ordered, share)) if ordered else None
    return value, (low, high) if asked.at_most else (high, low)


def _first(ordered: Sequence[float], holds: Callable[[float], bool]) -> float:
    """The least of the values for which it holds, where it holds from some value on; +∞ if for none."""
    at = bisect_left(range(len(ordered)), True, key=lambda i: holds(ordered[i]))
    return ordered[at] if at < len(ordered) else math.inf


def _share(asked: Objective, conversations: Sequence[Conversation], tally: Tally) -> Measured:
    return tally.share, interval(tally)


def _extreme(asked: Objective, conversations: Sequence[Conversation], tally: Tally) -> Measured:
    """The worst turn of the run; None where a turn failed, which is worse than any."""
    turns = [turn for conversation in conversations for turn in conversation]
    values = [value for turn in turns if turn.ok and (value := value_of(asked, turn)) is not None]
    if not values or any(turn.failed for turn in turns):
        return None, None
    return (max if asked.at_most else min)(values), None


_MEASURED: dict[str, Callable[[Objective, Sequence[Conversation], Tally], Measured]] = {
    "percentile": _percentile,
    "extreme": _extreme,
}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
