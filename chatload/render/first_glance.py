"""What a reader of report.html sees first beside the answer: certainty, marks, the picture that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chatload.analysis.comparison import Comparison
from chatload.analysis.standstill import is_notable
from chatload.model.metrics import metric
from chatload.model.summary import Summary
from chatload.model.verdict import BETTER, CANNOT_TELL, DIFFER, MET, MIXED, NOT_WORSE, SAME, WORSE, Effect
from chatload.model.words import plural
from chatload.render.comparison_words import VERDICT_WORDS, change_words, headline
from chatload.render.text_table import range_words
from chatload.store.journal import Run

Marks = list[tuple[str, str]]
"""(look, words) of each."""

MANY_FAILED = 0.05
"""Beyond this share of failed turns, the picture that explains a run is that of when they failed."""
MARK = {BETTER: "✓", NOT_WORSE: "✓", WORSE: "✗", DIFFER: "≠", MIXED: "≠", SAME: "="}
LOOK = {BETTER: "good", NOT_WORSE: "good", WORSE: "bad", DIFFER: "warn", MIXED: "warn"}
PICTURE_OF = {
    "ttft_ms": "ttft_cdf",
    "first_byte_ms": "first_byte",
    "gap_ms": "gaps",
    "max_gap_ms": "stall_map",
}
"""The picture that shows the metric of an SLO; speeds are in tokens_per_s."""


def certainty(run: Run, summary: Summary) -> str:
    """The 95 % intervals of the figures in the answer, or why there are none; nothing where no turn is good.

    A capacity search tells how sure it is in its answer.
    """
    if run.manifest.capacity is not None or not summary.succeeded:
        return ""
    told = []
    for key, name in (("ttft_ms", "p95"), ("felt_tokens_per_s", "p50")):
        found, one = summary.metric(key), metric(key)
        if name not in found.too_small and (interval := found.interval_of(name)) is not None:
            told.append(f"{one.label} {name} {range_words(interval)} {one.unit}")
    if not told:
        return f"How sure that is cannot be told: {summary.window.no_interval}."
    return f"95 % intervals: {', '.join(told)}."


def explaining(run: Run, summary: Summary) -> Iterator[str]:
    """Names of the pictures that explain the answer, the best first; of these, the page shows the first it has."""
    if run.manifest.capacity is not None:
        yield "capacity_curve"
    if is_notable(summary):
        yield "stall_map"
    if summary.failures > MANY_FAILED * max(1, summary.turns):
        yield "over_time"
    for one in summary.slo:
        if one.verdict != MET:
            yield PICTURE_OF.get(one.metric, "tokens_per_s" if "tokens_per_s" in one.metric else "ttft_cdf")
    if summary.queueing:
        yield "first_token_parts"
    yield "ttft_cdf"


def comparison_answer(found: Sequence[Comparison]) -> str:
    """The verdict on two runs, or how many of several runs came out how against the first."""
    if len(found) == 1:
        return headline(found[0])
    outcomes = Counter("no comparison" if one.refused else VERDICT_WORDS[one.verdict] for one in found)
    counted = ", ".join(f"{n:,} {words.removeprefix('these two runs ')}" for words, n in outcomes.items())
    return f"{plural(len(found), 'run')} against {found[0].names[0]}: {counted}."


def comparison_marks(found: Sequence[Comparison]) -> Marks:
    """Of two runs a mark for each figure, those that differ first; of several one for each run."""
    if len(found) == 1:
        ordered = sorted(found[0].effects, key=_undecided)
        return [_mark(one.verdict, f"{one.words} {change_words(one)}") for one in ordered]
    return [
        _mark(one.verdict, headline(one).partition(f" against {one.names[0]}")[0] + _what(one))
        for one in found
    ]


def _what(one: Comparison) -> str:
    """What differs, in a few words."""
    told = [effect.words for effect in one.effects if not _undecided(effect)]
    return f": {', '.join(told)}" if told else f": {VERDICT_WORDS[one.verdict]}"


def _undecided(one: Effect) -> bool:
    """Whether it says nothing, or nothing new: these stand last."""
    return one.verdict in (CANNOT_TELL, SAME)


def _mark(verdict: str, words: str) -> tuple[str, str]:
    return LOOK.get(verdict, ""), f"{MARK.get(verdict, '?')} {words}"
