"""A comparison in words: its headline, its table, one effect in a sentence, and as JSON."""

from __future__ import annotations

import math

import msgspec

from chatload.analysis.comparison import Comparison
from chatload.analysis.cost import cost_of_run
from chatload.analysis.slo_cure import TOO_CLOSE
from chatload.model.cost import Cost
from chatload.model.sanitize import one_line
from chatload.model.summary import WHOLE_RUN
from chatload.model.verdict import (
    BETTER,
    CANNOT_TELL,
    DIFFER,
    MIXED,
    NOT_WORSE,
    SAME,
    WORSE,
    ComparisonOutcome,
    Effect,
)
from chatload.model.words import listed, percent, plural
from chatload.render.blocks import Block, Facts, Items, Paragraph, Section, Table
from chatload.render.cost_table import cost_section
from chatload.render.text import text_of
from chatload.render.text_table import ABSENT, number
from chatload.store.journal import Run

BETTER_MARK = "▲"

VERDICT_WORDS: dict[ComparisonOutcome, str] = {
    SAME: "the same",
    BETTER: "better",
    WORSE: "worse",
    DIFFER: "these two runs differ",
    CANNOT_TELL: "cannot tell",
    NOT_WORSE: "no worse",
    MIXED: "better in some, worse in others",
}


EFFECT_MARKS: dict[ComparisonOutcome, str] = {
    SAME: "=",
    BETTER: "✅",
    WORSE: "❌",
    DIFFER: "≠",
    NOT_WORSE: "✅",
    MIXED: "≠",
}
"""What stands before a verdict in Markdown; ❔ for any other."""


def headline(found: Comparison) -> str:
    """The verdict in a sentence, after it the metrics that are better, worse or differ, and failures left open."""
    a, b = found.names
    verdict = f"no comparison: {found.refused}" if found.refused else VERDICT_WORDS[found.verdict]
    words = f"{b} against {a}: {verdict}."
    for outcome, name in ((BETTER, "Better"), (WORSE, "Worse"), (DIFFER, "Different")):
        if metrics := ", ".join(one.words for one in found.effects_that_are(outcome)):
            words += f" {name}: {metrics}."
    for one in found.effects:
        if one.metric == "failed_share" and one.verdict == CANNOT_TELL and (one.effect or 0.0) > 0.0:
            words += f" More turns failed ({_value(one, one.a)} → {_value(one, one.b)} %), perhaps by chance."
    return words


def not_trustworthy_words(*runs: Run) -> str:
    """What is said first of runs whose measurement is not to be trusted."""
    names = listed([one_line(run.folder.name, 80) for run in runs])
    several = "s" if len(runs) > 1 else ""
    whose = "their reports say" if several else "its report says"
    return f"NOT TRUSTWORTHY: the measurement{several} of {names}; {whose} why."


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
    sections = [Section("Compared", [Facts(sides)]), *([effects_section(found)] if found.effects else [])]
    if (section := equal_lengths_section(found)) is not None:
        sections.append(section)
    costs = [_cost(runs) for runs in (found.a, found.b)]
    if (section := cost_section(found.names, costs)) is not None:
        sections.append(section)
    return text_of(first, [*sections, warnings] if found.warnings else sections)


def _cost(runs: tuple[Run, ...]) -> Cost | None:
    """What the runs of a side cost, where it is one run: rounds may have had prices of their own."""
    return cost_of_run(runs[0]) if len(runs) == 1 else None


def effects_section(found: Comparison) -> Section:
    """A row for each metric, those that differ first, what is to be said of it, and what the intervals promise."""
    a, b = found.names
    rows = [
        ["", "", a, b, "change", "worse beyond" if found.gate else "interval", "verdict"],
        *(
            [
                one.words,
                one.unit,
                _marked(_value(one, one.a), is_better=better_side(one) == "a"),
                _marked(_value(one, one.b), is_better=better_side(one) == "b"),
                change_words(one),
                _interval(one),
                one.verdict,
            ]
            for one in sorted(found.effects, key=lambda one: one.verdict in (CANNOT_TELL, SAME))
        ),
    ]
    remarks = _remarks(found)
    blocks: list[Block] = [Table(rows, left=2), *([Items(remarks)] if remarks else [])]
    if any(map(better_side, found.effects)):
        blocks.append(Paragraph(f"{BETTER_MARK} the better figure, where both differ.", note=True))
    return Section(f"{b} against {a}", [*blocks, Paragraph(_how_sure(found), note=True)])


def equal_lengths_section(found: Comparison) -> Section | None:
    """Speed in the same number of tokens, where the answers of both sides are not equally long."""
    same = found.equal_lengths
    if same is None:
        return None
    a, b = found.names
    rows = [
        ["", "", a, b, "change", "interval", "verdict"],
        *(
            [
                one.words,
                one.unit,
                _value(one, one.a),
                _value(one, one.b),
                change_words(one),
                _interval(one),
                one.verdict,
            ]
            for one in same.effects
        ),
    ]
    remarks = [words for one in same.effects if (words := _remark(one, found.margin))]
    theirs, ours = (percent(share) for share in same.shares)
    note = (
        f"Of the replies with at least {same.tokens:,} tokens ({theirs} of {a}'s, {ours} of {b}'s), up to that token; "
        "both hold together in 95 of 100 cases, and are no part of the verdict. Longer answers load a server more all "
        "the same."
    )
    blocks: list[Block] = [Table(rows, left=2), *([Items(list(dict.fromkeys(remarks)))] if remarks else [])]
    title = f"At equal lengths: the first {same.tokens:,} tokens of each reply"
    return Section(title, [*blocks, Paragraph(note, note=True)])


def better_side(one: Effect) -> str:
    """“a” or “b”, whose figure is the better one where the two differ for certain; else empty.

    Of two single runs it tells of these runs, not of their servers (docs/statistics.md).
    """
    if one.verdict not in (BETTER, WORSE, DIFFER) or one.a is None or one.b is None or one.a == one.b:
        return ""
    more_is_better = one.unit == "tokens/s"
    return "b" if (one.b > one.a) == more_is_better else "a"


def _marked(value: str, *, is_better: bool) -> str:
    return f"{BETTER_MARK} {value}" if is_better else value


def _remarks(found: Comparison) -> list[str]:
    """What is to be said of figures; what all of them share is said once."""
    told = [(one.words, words) for one in found.effects if (words := _remark(one, found.margin))]
    shared = {words: [name for name, said in told if said == words] for _, words in told}
    return [f"{', '.join(names)}: {words}" for words, names in shared.items()]


def _remark(one: Effect, margin: float) -> str:
    if one.longer is None:
        return one.remark
    if one.longer >= TOO_CLOSE:
        return f"too close to ±{100 * margin:g} % to tell"
    return f"about {max(2, math.ceil(one.longer)):,} times as long would tell"


def comparison_json(found: Comparison) -> dict[str, object]:
    """The comparison as JSON; `effect` is B / A (failed_share: B − A), `interval` of it."""
    return {
        "format": 2,
        "window": found.window,
        "forced": forced(found),
        "not_alike": [*found.not_alike, *found.differences],
        "verdict": found.verdict,
        "refused": found.refused,
        "margin": found.margin,
        "failed_margin": found.failed_margin,
        "confidence_together": 0.95,
        "a": [one_line(run.folder, 400) for run in found.a],
        "b": [one_line(run.folder, 400) for run in found.b],
        "metrics": msgspec.to_builtins(found.effects),
        "equal_lengths": _equal_lengths_json(found),
        "warnings": [*map(not_trustworthy_words, found.untrusted), *found.warnings],
    }


def _equal_lengths_json(found: Comparison) -> dict[str, object] | None:
    same = found.equal_lengths
    if same is None:
        return None
    return {"tokens": same.tokens, "shares": same.shares, "metrics": msgspec.to_builtins(same.effects)}


def effect_words(one: Effect) -> str:
    """One effect in a sentence."""
    why = f", {one.remark}" if one.remark else ""
    if one.a is None or one.b is None:
        return f"{one.words}: {one.verdict}{why}"
    values = f"{_value(one, one.a)} → {_value(one, one.b)} {one.unit}"
    sure = (
        f" ({_interval(one)})" if one.interval else f" (worse beyond {_interval(one)})" if one.limit else ""
    )
    return f"{one.words}: {one.verdict}, {values}{sure}{why}"


def change_words(one: Effect) -> str:
    """By how much it changed, as `+9.5 %`; a dash where that is not known."""
    return ABSENT if one.effect is None else _signed(one, one.effect)


def _how_sure(found: Comparison) -> str:
    """What the intervals promise, and what the verdicts mean."""
    turns = "of the whole run" if found.window == WHOLE_RUN else "due while all users were in"
    if all(one.verdict == CANNOT_TELL for one in found.effects):
        return f"Figures are of turns {turns}; no verdict was reached."
    head = f"Figures are of turns {turns}; all {len(found.effects)} verdicts are right together in 95 of 100 cases."
    margin, points = f"±{100 * found.margin:g} %", f"±{100 * found.failed_margin:g} percent point"
    if found.gate:
        return f"{head} Worse: beyond what {plural(len(found.a), 'baseline')} allow; failed turns: more, beyond chance."
    same = f"The same: the interval lies within {margin} (failed turns: {points})."
    if not found.names_the_better:
        return f"{head} {same} Differ: it lies wholly beyond {margin} (failed turns: it leaves out 0)."
    return f"{head} {same} Better or worse: it leaves out no change."


def _amount(runs: tuple[Run, ...]) -> str:
    turns = [turn for run in runs for turn in run.turns if turn.counts]
    conversations = len(
        {(run.folder, turn.group, turn.user) for run in runs for turn in run.turns if turn.counts}
    )
    rounds = f"{plural(len(runs), 'run')}, " if len(runs) > 1 else ""
    return f"{rounds}{plural(len(turns), 'turn')} in {plural(conversations, 'conversation')}"


def _value(one: Effect, value: float | None) -> str:
    return number(None if value is None else 100 * value if one.unit == "%" else value)


def _interval(one: Effect) -> str:
    if one.limit is not None:
        return _signed(one, one.limit)
    return " … ".join(_signed(one, end) for end in one.interval) if one.interval else ABSENT


def _signed(one: Effect, effect: float) -> str:
    """A ratio as a change in percent, a difference of shares in percent points."""
    if one.unit == "%":
        return f"{100 * effect:+.1f} pt"
    return f"{100 * (effect - 1):+.1f} %" if effect < 10 else f"×{effect:.3g}"
