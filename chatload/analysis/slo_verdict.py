"""SLOs against a run: met, missed, or undecided, each with its interval.

A verdict is given only where the 95 % interval lies wholly on one side of the limit: of the verdicts “met” given
where the truth is a miss there are at most 2.5 %, and the other way round. What the interval knows of is
chance among the conversations of this run; that the server has a bad day tomorrow, it cannot know.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chatload.analysis.goodput import (
    Conversation,
    conversation_goodput,
    conversations_of,
    failed,
    goodput,
    keeps,
    stalled,
    tally_of,
    value_of,
)
from chatload.analysis.quantiles import percentile
from chatload.analysis.share_interval import Tally, interval, surely_above, surely_below, turns_needed
from chatload.model.slo import Objective, limits_of_a_turn
from chatload.model.turn import Turn
from chatload.store.manifest import Manifest

MET, MISSED, UNDECIDED, PART = "met", "missed", "undecided", "part"
VERDICTS = (MISSED, UNDECIDED, MET, PART)


@dataclass(frozen=True, slots=True)
class Judged:
    """One SLO and what became of it. `part` is a limit of goodput, judged there.

    `value` and `interval` are in the metric's unit, shares 0 to 1; None in them is endless: a failed turn.
    `interval` is None for a fact of the run (max, min). `turns_needed` is about how many turns would decide.
    """

    slo: str
    verdict: str
    metric: str
    value: float | None
    interval: tuple[float | None, float | None] | None
    turns: int
    conversations: int
    turns_needed: int | None = None


def judge(turns: Iterable[Turn], objectives: Sequence[Objective]) -> list[Judged]:
    """Every SLO against the turns of a run, in the order asked."""
    conversations = conversations_of(turns)
    limits = limits_of_a_turn(objectives)
    return [_JUDGES[one.kind](one, conversations, limits) for one in objectives]


def verdicts(manifest: Manifest, turns: Sequence[Turn]) -> dict[str, Any]:
    """`slo` and `goodput` of the summary, by the SLOs that the plan of the manifest names."""
    return summary_of_slos(turns, manifest.plan.slo if manifest.plan is not None else ())


def summary_of_slos(turns: Sequence[Turn], objectives: Sequence[Objective]) -> dict[str, Any]:
    """`slo` and `goodput` of the summary, by these SLOs; goodput is null where nothing is asked of a turn."""
    limits = limits_of_a_turn(objectives)
    conversations = conversations_of(turns)
    good = None
    if limits:
        good = {
            "limits": [limit.words for limit in limits],
            "turns": goodput(conversations, limits).share,
            "conversations": conversation_goodput(conversations, limits).share,
        }
    return {"slo": [asdict(one) for one in judge(turns, objectives)], "goodput": good}


def judge_level(turns: Sequence[Turn], slo: Sequence[Objective]) -> tuple[str, bool, list[dict[str, Any]]]:
    """One level of a capacity search: the worst verdict, whether the values themselves pass, each SLO judged."""
    judged = judge(turns, slo)
    passed = bool(turns) and all(_passes(one, asked) for one, asked in zip(judged, slo, strict=True))
    facts = [asdict(one) for one in judged]
    return worst(facts), passed, facts


def _passes(one: Judged, asked: Objective) -> bool:
    if one.verdict == PART:  # a limit that goodput counts
        return True
    if one.value is None:
        return False
    return one.value <= asked.limit if asked.at_most else one.value >= asked.limit


def worst(judged: Iterable[Mapping[str, Any]]) -> str:
    """The verdict over all SLOs of a summary: missed before undecided before met; part if there are none."""
    found = {one["verdict"] for one in judged}
    return next((verdict for verdict in VERDICTS if verdict in found), PART)


def _percentile(
    asked: Objective, conversations: Sequence[Conversation], limits: Sequence[Objective]
) -> Judged:
    """By the share of turns within the limit; the interval is that share's, read off the metric's own scale.

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
    low = _first(ordered, lambda value: not surely_below(within(value), share))
    high = _first(ordered, lambda value: surely_above(within(value), share))
    tally = within(sign * asked.limit)
    ends = [_finite(sign * low), _finite(sign * high)]
    return Judged(
        asked.words,
        verdict := verdict_of(asked, tally),
        asked.metric,
        _finite(sign * percentile(ordered, share)) if ordered else None,
        (ends[0], ends[1]) if asked.at_most else (ends[1], ends[0]),
        len(ordered),
        int(tally.conversations),
        _needed(verdict, tally, share),
    )


def _first(ordered: Sequence[float], holds: Callable[[float], bool]) -> float:
    """The least of the values for which it holds, where it holds from some value on; +∞ if for none."""
    at = bisect_left(range(len(ordered)), True, key=lambda i: holds(ordered[i]))
    return ordered[at] if at < len(ordered) else math.inf


def verdict_of(asked: Objective, tally: Tally) -> str:
    """Met, missed or undecided, by conversations of which so many turns are within the limit (a share: that count)."""
    if asked.kind == "turn":
        return PART
    if asked.kind == "percentile":
        share = asked.share_asked
        return _verdict(surely_above(tally, share), surely_below(tally, share))
    share = 0.0 if tally.share is None else tally.share
    if asked.at_most:  # no share is above 100 % nor below 0 %: that alone is no miss
        met, missed = (
            surely_below(tally, asked.limit),
            surely_above(tally, asked.limit) and share > asked.limit,
        )
    else:
        met, missed = (
            surely_above(tally, asked.limit),
            surely_below(tally, asked.limit) and share < asked.limit,
        )
    return _verdict(met, missed)


def _share(asked: Objective, conversations: Sequence[Conversation], limits: Sequence[Objective]) -> Judged:
    tally = _SHARES[asked.metric](conversations, limits)
    return _judged_share(asked, tally, verdict_of(asked, tally))


def _judged_share(asked: Objective, tally: Tally, verdict: str) -> Judged:
    return Judged(
        asked.words,
        verdict,
        asked.metric,
        tally.share,
        interval(tally),
        int(tally.turns),
        int(tally.conversations),
        _needed(verdict, tally, asked.limit),
    )


def _turn(asked: Objective, conversations: Sequence[Conversation], limits: Sequence[Objective]) -> Judged:
    tally = tally_of(conversations, lambda turn: keeps(asked, turn))
    return _judged_share(asked, tally, PART)


def _extreme(asked: Objective, conversations: Sequence[Conversation], limits: Sequence[Objective]) -> Judged:
    """The worst turn of the run itself: nothing is estimated, so nothing is uncertain."""
    turns = [turn for conversation in conversations for turn in conversation]
    values = [value for turn in turns if turn.ok and (value := value_of(asked, turn)) is not None]
    kept = all(keeps(asked, turn) for turn in turns)
    value = None if not values or any(map(failed, turns)) else (max if asked.at_most else min)(values)
    verdict = UNDECIDED if not values and kept else MET if kept else MISSED
    return Judged(asked.words, verdict, asked.metric, value, None, len(turns), len(conversations))


def _verdict(met: bool, missed: bool) -> str:
    return MET if met else MISSED if missed else UNDECIDED


def _needed(verdict: str, tally: Tally, limit: float) -> int | None:
    return turns_needed(tally, limit) if verdict == UNDECIDED else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


_SHARES: dict[str, Callable[[Sequence[Conversation], Sequence[Objective]], Tally]] = {
    "failed_share": lambda conversations, _: tally_of(conversations, failed),
    "stalled_share": lambda conversations, _: tally_of(conversations, stalled),
    "goodput": goodput,
    "conversation_goodput": conversation_goodput,
}
_JUDGES = {"percentile": _percentile, "share": _share, "turn": _turn, "extreme": _extreme}
