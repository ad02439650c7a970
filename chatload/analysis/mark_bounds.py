"""How far the load generator's own marks can move a run's figures: marked turns at both ends of their bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import msgspec

from chatload.analysis.distribution import Counted, too_small
from chatload.analysis.quantiles import percentile
from chatload.model.metrics import metric
from chatload.model.packed_turns import unpacked
from chatload.model.summary import PERCENTILES, FigureBound
from chatload.model.turn import Turn

SPOILING = {
    "censored_first": "first token's time is only an interval, because we looked late",
    "hub_lag": "our own lag is inside the first token's time",
    "late_send": "sent late",
    "clock_step": "the machine's clock was set meanwhile",
}
"""Marks that make a turn spoiled, in words."""
LATENESS = ("censored_first", "hub_lag", "late_send")
"""Marks that a late load generator causes."""

MOST_SPOILED = 0.01
"""Share of spoiled turns beyond which a run that goes on is doubted."""

FIGURES = ("ttft_ms", "tpot_ms", "e2e_ms", "felt_tokens_per_s")
"""Metrics whose percentiles are bounded, besides the gaps; decode speed is 1 / TPOT."""
UNBOUNDED_NS = 10**18
"""An instant of which nothing is known lies up to 30 years late: no percentile that includes it passes for a figure."""


def is_spoiled(turn: Turn) -> bool:
    """True when the client itself may have spoiled the turn's figures."""
    return any(mark in SPOILING for mark in turn.marks)


def many_spoiled(spoiled: int, turns: int) -> bool:
    """True where so many turns are spoiled that figures may move; the end of a run tells whether they do."""
    return spoiled > 1 and spoiled > MOST_SPOILED * turns


class Ends(NamedTuple):
    """Which end of its bound each instant of a marked turn takes."""

    sent_early: bool
    first_early: bool
    last_early: bool


def ends_of(turns: Sequence[Turn]) -> list[Ends]:
    """Every combination of ends that makes a difference for the marks of these turns, the measured one first."""
    marks = {mark for turn in turns for mark in turn.marks}
    lasts = "clock_step" in marks or any(turn.last_token_after_ns is not None for turn in turns)
    free = ("late_send" in marks, bool(marks & {"censored_first", "hub_lag", "clock_step"}), lasts)
    return [Ends(*each) for each in product(*((False, True) if one else (False,) for one in free))]


def at(turn: Turn, ends: Ends) -> Turn:
    """The turn with its uncertain instants at these ends; itself where it has no mark or no tokens.

    late_send: sent when it was due, or when it was. censored_first, hub_lag: the first token came at
    `first_token_after_ns` (old journals without it: when the request was sent), or when it was stamped; the last token
    likewise. clock_step: stamps tell nothing, so tokens came at once, or never.
    """
    sent, first, last = turn.sent_ns, turn.first_token_ns, turn.last_token_ns
    if sent is None or first is None or last is None or not is_spoiled(turn):
        return turn
    if "clock_step" in turn.marks:
        earliest, latest = sent, sent + UNBOUNDED_NS
        first = earliest if ends.first_early else latest
        last = max(first + 1, earliest if ends.last_early else latest)
    else:
        if ends.first_early:
            first = _earliest_first(turn, first)
        if ends.last_early and turn.last_token_after_ns is not None:
            last = max(first, turn.last_token_after_ns)
    if ends.sent_early and "late_send" in turn.marks:
        sent = turn.due_ns + round(((turn.connect_ms or 0.0) + (turn.tls_ms or 0.0)) * 1e6)
    answer = first if turn.first_answer_ns == turn.first_token_ns else turn.first_answer_ns
    return msgspec.structs.replace(
        unpacked(turn),
        sent_ns=sent,
        first_token_ns=first,
        first_answer_ns=answer,
        last_token_ns=last,
        gaps_us=_gaps(turn, first, last),
    )


def _earliest_first(turn: Turn, first_ns: int) -> int:
    """When its first token came at the earliest; where only the last token's stamp is late, when it was stamped."""
    if "censored_first" not in turn.marks and "hub_lag" not in turn.marks:
        return first_ns
    if turn.first_token_after_ns is not None:
        return turn.first_token_after_ns
    return first_ns if turn.last_token_after_ns is not None else turn.sent_ns or 0


def _gaps(turn: Turn, first_ns: int, last_ns: int) -> tuple[int, ...]:
    """Its gaps where the first and the last token came then; those between stay."""
    if not turn.gaps_us:
        return ()
    gaps = [*turn.gaps_us]
    gaps[0] = max(0, gaps[0] + ((turn.first_token_ns or 0) - first_ns) // 1000)
    gaps[-1] = max(0, gaps[-1] + (last_ns - (turn.last_token_ns or 0)) // 1000)
    return tuple(gaps)


@dataclass(frozen=True, slots=True)
class _Values:
    """One metric of the turns: sorted as measured, and with each turn at its least and at its greatest."""

    measured: Sequence[float]
    least: Sequence[float]
    greatest: Sequence[float]


def figure_bounds(turns: Sequence[Turn], gaps_us: Counter[int] | None = None) -> list[FigureBound]:
    """Every percentile that n supports of the good turns' figures; the worst value where n supports none.

    Each marked turn is at the end of its bound that moves the figure most. Empty where no good turn is marked.
    `gaps_us`: how often each gap occurs in the good turns, where it is at hand.
    """
    good = [turn for turn in turns if turn.ok]
    marked = [turn for turn in good if is_spoiled(turn)]
    if not marked:
        return []
    ends = ends_of(marked)
    moved = [[turn, *(at(turn, each) for each in ends)] for turn in marked]
    clean = [turn for turn in good if not is_spoiled(turn)]
    found: list[FigureBound] = []
    for key in FIGURES:
        values = _values(clean, moved, metric(key).value)
        found += _bounds(key, values, worst=0.0 if metric(key).more_is_better else 1.0)
    if gaps_us is None:
        gaps_us = Counter(gap for turn in good for gap in turn.gaps_us)
    return found + list(_bounds("gap_ms", _gap_values(gaps_us, moved), worst=1.0))


def _values(
    clean: Sequence[Turn], moved: Sequence[Sequence[Turn]], of: Callable[[Turn], float | None]
) -> _Values:
    known = [value for value in map(of, clean) if value is not None]
    measured, least, greatest = [*known], [*known], [*known]
    for variants in moved:
        as_measured = of(variants[0])
        possible = [value for value in map(of, variants) if value is not None]
        if as_measured is not None:
            measured.append(as_measured)
        if possible:
            least.append(min(possible))
            greatest.append(max(possible))
    return _Values(sorted(measured), sorted(least), sorted(greatest))


def _gap_values(measured: Counter[int], moved: Sequence[Sequence[Turn]]) -> _Values:
    least, greatest = measured.copy(), measured.copy()
    for variants in moved:
        gaps = [turn.gaps_us for turn in variants]
        for counts, end in ((least, min(gaps, key=sum)), (greatest, max(gaps, key=sum))):
            counts.subtract(gaps[0])
            counts.update(end)
    return _Values(Counted(measured, 1e-3), Counted(least, 1e-3), Counted(greatest, 1e-3))


def _bounds(key: str, values: _Values, worst: float) -> Iterator[FigureBound]:
    if not values.measured:
        return
    names = {name: p for name, p in PERCENTILES.items() if name not in too_small(len(values.measured))}
    for name, p in (names or {"max" if worst else "min": worst}).items():
        least, measured, greatest = (
            percentile(each, p) for each in (values.least, values.measured, values.greatest)
        )
        yield FigureBound(key, name, measured, min(least, measured), max(greatest, measured))
