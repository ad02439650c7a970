"""Verdicts on SLOs in words: for the report, the terminal, junit.xml and summary.md alike."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.model.slo import RUN_FIGURES
from chatload.model.verdict import MET, MISSED, PART, UNDECIDED, Goodput, SloVerdict
from chatload.model.words import percent, plural
from chatload.render.text_table import number, seconds

ENDLESS = "endless"
NO_TURNS = "no turn to judge by"


def value_words(one: SloVerdict) -> str:
    """The measured number with its unit; `n<72` where it would be a percentile of too few turns."""
    if not one.turns:
        return "–"
    return f"n<{one.least_turns}" if one.least_turns else _number(one, one.value)


def interval_words(one: SloVerdict) -> str:
    """The interval of the number, one-sided where the sample gives one end only; nothing for a fact of the run."""
    if one.interval is None or not one.turns:
        return ""
    low, high = one.interval
    if low is None and high is None:  # so many turns failed, or so few were held, that neither end is known
        return ""
    if low is None or high is None:
        return f"≤ {_number(one, high)}" if low is None else f"≥ {_number(one, low)}"
    return f"{_bound(one, low)} … {_bound(one, high)}"


def sure_words(one: SloVerdict) -> str:
    """surely, unsure, or nothing where nothing is estimated."""
    return "" if one.sure is None else "surely" if one.sure else "unsure"


def remark(one: SloVerdict) -> str:
    """What the verdict alone does not say: why it is not sure, or that nothing was estimated."""
    if not one.turns:
        return one.unsure or NO_TURNS
    if one.verdict == PART:
        return "a part of goodput"
    if one.sure is None:
        return "a fact of this run, no estimate"
    return one.unsure


def sentence(one: SloVerdict) -> str:
    """The verdict on one SLO in a sentence."""
    between = interval_words(one)
    measured = f"{value_words(one)} ({between})" if between else value_words(one)
    verdict = ", ".join(filter(None, (one.verdict, sure_words(one))))
    words = remark(one)
    return f"{one.slo}: {verdict}, measured {measured}, {one.window}{f'; {words}' if words else ''}"


def score(verdicts: Sequence[SloVerdict]) -> str:
    """How many SLOs were met, missed, undecided, and how many of these are not sure."""
    counts = [
        (verdict, sum(one.verdict == verdict for one in verdicts)) for verdict in (MISSED, UNDECIDED, MET)
    ]
    doubtful = sum(one.sure is False for one in verdicts)
    words = ", ".join(f"{n} {word}" for word, n in counts if n)
    return f"{plural(sum(n for _, n in counts), 'SLO')}: {words}" + (
        f" ({doubtful} unsure)" if doubtful else ""
    )


def goodput_words(good: Goodput | None) -> str:
    """Goodput in a sentence; nothing where nothing is asked of a turn, or no turn was held."""
    if good is None or good.turns is None or good.conversations is None:
        return ""
    return (
        f"Goodput: {percent(good.turns, 1)} of the turns ({good.window}) and {percent(good.conversations, 1)} of the "
        f"conversations (whole run) kept {', '.join(good.limits)}."
    )


def _number(one: SloVerdict, value: float | None) -> str:
    if value is not None and one.verdict == PART:
        return f"{100 * value:.3g} %"
    if value is None:
        return ENDLESS if one.metric.endswith("_ms") else "a failed turn"
    if one.metric.endswith("_ms"):
        return seconds(value)
    if one.metric in RUN_FIGURES:
        return seconds(1000 * value)
    if one.metric.endswith("_per_s"):
        return f"{number(value)} tokens/s"
    return f"{100 * value:.3g} %"


def _bound(one: SloVerdict, value: float | None) -> str:
    """An end of an interval; “?” where n gives none."""
    return "?" if value is None else _number(one, value).removesuffix(" tokens/s")
