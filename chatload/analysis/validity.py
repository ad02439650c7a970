"""Whether a run's measurement can be trusted: whether what the load generator may have spoiled moves a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chatload.analysis.generator_load import remedy
from chatload.analysis.mark_bounds import SPOILING, at, ends_of, figure_bounds, is_spoiled
from chatload.analysis.sample import Samples, asked_of, samples
from chatload.analysis.slo_verdict import verdicts_of
from chatload.analysis.users_held import MOST_LAGGING
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import metric
from chatload.model.slo import Objective
from chatload.model.summary import FigureBound, Validity
from chatload.model.turn import Turn
from chatload.model.words import percent
from chatload.store.journal import Run

MOST_MOVED, MOST_MOVED_MS = 0.01, 1.0
"""A figure that marks can move by more than both (a speed: by more than the share) does not stand."""


def validity_of(
    run: Run,
    window: str = "",
    slo: Sequence[Objective] = (),
    found: Samples | None = None,
    gaps_us: Counter[int] | None = None,
) -> Validity:
    """What the load generator may have spoiled in a run, and whether its measurement holds all the same.

    Percentiles are those of the turns that figures are taken from; `window` as for `summarise`. `slo`: the SLOs that
    must not turn, those of the plan by default. `found`: the samples of that window, and `gaps_us`: how often each gap
    occurs in the figures' good turns, where they are at hand.
    """
    turns = [turn for turn in run.turns if turn.counts]
    spoiled = [turn for turn in turns if is_spoiled(turn)]
    lagging = _lagging_share(run.health)
    marks = Counter(mark for turn in spoiled for mark in turn.marks if mark in SPOILING)
    bounds: list[FigureBound] = []
    if spoiled:
        found = found or samples(run.turns, run.manifest.load, asked_of(run, window))
        bounds = figure_bounds(found.figures.of(run.turns), gaps_us)
    effects = [*_moved_figures(bounds), *_moved_slos(run, spoiled, window, slo)]
    reasons = []
    if effects:
        words = "; ".join(f"{n:,}: {SPOILING[mark]}" for mark, n in marks.most_common())
        moved = f"{len(effects):,} of the figures and SLOs" if len(effects) > 1 else effects[0]
        reasons.append(
            f"{len(spoiled):,} of {len(turns):,} turns may be spoiled by the load generator ({words}), "
            f"which moves {moved}"
        )
    stamped = (turn for turn in turns if turn.first_byte_ns is not None)
    if lagging > MOST_LAGGING and any(turn.stamp_source != "kernel" for turn in stamped):
        reasons.append(
            f"the load generator lagged more than 20 ms for {percent(lagging, 1)} of the time, "
            "and stamps were taken in user space"
        )
    lost = sum(line.lost_lines for line in run.ends)
    if lost:
        reasons.append(f"{lost:,} journal lines could not be written")
    return Validity(
        trustworthy=not reasons,
        reasons=tuple(reasons),
        remedy=remedy(run, lost=bool(lost)) if reasons else "",
        spoiled=len(spoiled),
        turns=len(turns),
        share=len(spoiled) / len(turns) if turns else 0.0,
        marks=dict(marks.most_common()),
        lagging_share=lagging,
        bounds=tuple(bounds),
        moved=tuple(effects),
    )


def moves(one: FigureBound) -> bool:
    """True where the marks can move the figure by more than 1 % and, in ms, by more than 1 ms."""
    allowed = MOST_MOVED * abs(one.value)
    if metric(one.metric).unit == "ms":
        allowed = max(allowed, MOST_MOVED_MS)
    return max(one.value - one.low, one.high - one.value) > allowed


def bound_words(one: FigureBound) -> str:
    """“TTFT p50 42.04 to 42.09 ms”."""
    of = metric(one.metric)
    low, high = _number(one.low), _number(one.high)
    ends = f"{low} {of.unit} either way" if low == high else f"{low} to {high} {of.unit}"
    return f"{of.label} {one.statistic} {ends}"


def _number(value: float) -> str:
    if value > 1e9:
        return "∞"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}" if value < 100 else f"{value:.1f}"


def _moved_figures(bounds: Sequence[FigureBound]) -> Iterator[str]:
    return (bound_words(one) for one in bounds if moves(one))


def _moved_slos(run: Run, spoiled: Sequence[Turn], window: str, slo: Sequence[Objective]) -> Iterator[str]:
    """The SLOs whose verdict is another one with all marked turns at one end of their bounds."""
    asked = slo or (run.manifest.plan.slo if run.manifest.plan is not None else ())
    if not asked or not spoiled or run.manifest.capacity is not None:
        return
    load, stretch = run.manifest.load, asked_of(run, window)
    measured = verdicts_of(run.turns, asked, load, stretch)
    others = [
        verdicts_of([at(turn, ends) for turn in run.turns], asked, load, stretch) for ends in ends_of(spoiled)
    ]
    for i, one in enumerate(measured):
        found = {one.verdict, *(each[i].verdict for each in others)}
        if len(found) > 1:
            yield f"SLO “{one.slo}” {' or '.join(sorted(found))}"


def _lagging_share(health: Sequence[HealthLine]) -> float:
    told = [
        (line.lagging_ms, line.seconds) for line in health if line.lagging_ms is not None and line.seconds
    ]
    seconds = sum(length_s for _, length_s in told)
    return sum(lagging_ms for lagging_ms, _ in told) / 1e3 / seconds if seconds else 0.0
