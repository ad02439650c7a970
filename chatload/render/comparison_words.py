"""A comparison in words: its headline, its table, one effect in a sentence, and as JSON."""

from __future__ import annotations

import msgspec

from chatload.analysis.comparison import Comparison
from chatload.analysis.goodput import conversations_of
from chatload.model.sanitize import one_line
from chatload.model.verdict import BETTER, MIXED, SAME, UNDECIDED, WORSE, ComparisonOutcome, Effect
from chatload.model.words import plural
from chatload.render.blocks import Block, Facts, Items, Paragraph, Section, Table
from chatload.render.text import text_of
from chatload.render.text_table import ABSENT, number
from chatload.store.journal import Run

VERDICT_WORDS: dict[ComparisonOutcome, str] = {
    SAME: "the same",
    BETTER: "better",
    WORSE: "worse",
    UNDECIDED: "undecided: more conversations are needed to tell",
    MIXED: "better in some, worse in others",
}


def headline(found: Comparison) -> str:
    """The verdict in a sentence, after it the metrics that are better or worse."""
    a, b = found.names
    verdict = f"no comparison: {found.refused}" if found.refused else VERDICT_WORDS[found.verdict]
    words = f"{b} against {a}: {verdict}."
    for outcome, name in ((BETTER, "Better"), (WORSE, "Worse")):
        if metrics := ", ".join(one.words for one in found.effects_that_are(outcome)):
            words += f" {name}: {metrics}."
    return words


def not_trustworthy_words(run: Run) -> str:
    """What is said first of a run whose measurement is not to be trusted."""
    return f"NOT TRUSTWORTHY: the measurement of {one_line(run.folder.name, 80)}; its report says why."


def unusable_words(run: Run, why: str) -> str:
    """Why a run allows no conclusion: `why` it is not whole, or that its measurement is not to be trusted."""
    return f"{one_line(run.folder.name, 80)}: {why}" if why else not_trustworthy_words(run)


def forced(found: Comparison) -> list[str]:
    """What --force went over."""
    return [f"FORCED, {words}" for words in found.not_alike] if found.forced else []


def unlike_first(found: Comparison) -> list[str]:
    """What is not alike, to be said before the verdict: what forbids one or was forced, then what does not."""
    unforced = () if found.forced else found.not_alike
    return [
        *forced(found),
        *(f"{words[:1].upper()}{words[1:]}." for words in (*unforced, *found.differences)),
    ]


def comparison_text(found: Comparison) -> str:
    """Verdict, effects, and warnings, for the terminal."""
    first = [*unlike_first(found), *map(not_trustworthy_words, found.untrusted), headline(found)]
    sides = [
        (name, f"{one_line(runs[0].name, 60)}, {_amount(runs)}")
        for name, runs in zip(found.names, (found.a, found.b), strict=True)
    ]
    warnings = Section("Warnings", [Items(found.warnings)])
    sections = [Section("Compared", [Facts(sides)]), effects_section(found)]
    return text_of(first, [*sections, warnings] if found.warnings else sections)


def effects_section(found: Comparison) -> Section:
    """A row for each metric, what is to be said of it, and what the intervals promise."""
    a, b = found.names
    rows = [
        ["", "", a, b, "change", "interval", "verdict"],
        *(
            [
                one.words,
                one.unit,
                _value(one, one.a),
                _value(one, one.b),
                _change(one),
                _interval(one),
                one.verdict,
            ]
            for one in found.effects
        ),
    ]
    remarks = [f"{one.words}: {one.remark}" for one in found.effects if one.remark]
    blocks: list[Block] = [Table(rows, left=2), *([Items(remarks)] if remarks else [])]
    return Section(f"{b} against {a}", [*blocks, Paragraph(_how_sure(found), note=True)])


def comparison_json(found: Comparison) -> dict[str, object]:
    """The comparison as JSON; `effect` is B / A (failed_share: B − A), `interval` of it."""
    return {
        "format": 1,
        "forced": forced(found),
        "not_alike": [*found.not_alike, *found.differences],
        "verdict": found.verdict,
        "margin": found.margin,
        "failed_margin": found.failed_margin,
        "confidence_together": 0.95,
        "a": [one_line(run.folder, 400) for run in found.a],
        "b": [one_line(run.folder, 400) for run in found.b],
        "metrics": msgspec.to_builtins(found.effects),
        "warnings": [*map(not_trustworthy_words, found.untrusted), *found.warnings],
    }


def effect_words(one: Effect) -> str:
    """One effect in a sentence."""
    if one.interval is None:
        return f"{one.words}: {one.verdict}, {one.remark}"
    why = f", {one.remark}" if one.remark and one.verdict in (BETTER, WORSE) else ""
    values = f"{_value(one, one.a)} → {_value(one, one.b)} {one.unit}"
    return f"{one.words}: {one.verdict}, {values} ({_interval(one)}){why}"


def _how_sure(found: Comparison) -> str:
    """What the intervals promise, and what the verdicts mean."""
    return (
        f"All {len(found.effects)} intervals hold together with 95 % (Bonferroni), by bootstrap over whole "
        f"conversations. Same: the interval lies within ±{100 * found.margin:g} % (failed turns: within "
        f"±{100 * found.failed_margin:g} percent point). Better or worse: it leaves out no change."
    )


def _amount(runs: tuple[Run, ...]) -> str:
    conversations = [one for run in runs for one in conversations_of(run.turns)]
    turns = sum(map(len, conversations))
    rounds = f"{plural(len(runs), 'run')}, " if len(runs) > 1 else ""
    return f"{rounds}{plural(turns, 'turn')} in {plural(len(conversations), 'conversation')}"


def _value(one: Effect, value: float | None) -> str:
    return number(None if value is None else 100 * value if one.unit == "%" else value)


def _change(one: Effect) -> str:
    return ABSENT if one.effect is None else _signed(one, one.effect)


def _interval(one: Effect) -> str:
    return " … ".join(_signed(one, end) for end in one.interval) if one.interval else "n too small"


def _signed(one: Effect, effect: float) -> str:
    """A ratio as a change in percent, a difference of shares in percent points."""
    if one.unit == "%":
        return f"{100 * effect:+.1f} pt"
    return f"{100 * (effect - 1):+.1f} %" if effect < 10 else f"×{effect:.3g}"
