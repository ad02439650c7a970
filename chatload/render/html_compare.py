"""The comparison in report.html: which run serves its users better, what differs, the pictures overlaid."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis.comparison import Comparison
from chatload.analysis.run_names import distinct_names
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.render.blocks import Facts, Items, Paragraph, Section, Table
from chatload.render.comparison_words import effect_rows, headline, how_sure
from chatload.render.html_details import definitions
from chatload.render.side_by_side import rows_beside, warnings_of
from chatload.render.text_table import plural
from chatload.store.journal import Run


def comparison(
    runs: Sequence[Run], summaries: Sequence[Summary], found: Sequence[Comparison]
) -> list[Section]:
    """Several runs side by side, each later one compared with the first."""
    names = distinct_names(runs, 40)
    warnings = warnings_of(found)
    return [
        *(_differences(one) for one in found if one.effects),
        *([Section("What else may make a difference", [Items(warnings)], look="warn")] if warnings else []),
        _table(summaries, names),
        Section("Pictures", [], id="pictures"),
        Section("Warnings", [], id="trust"),
        *(_warnings(name, summary) for name, summary in zip(names, summaries, strict=True)),
        Section("The runs", [Facts(list(zip(names, map(_about, runs), strict=True)))], id="runs"),
        definitions(),
    ]


def _differences(found: Comparison) -> Section:
    table = Table(effect_rows(found), left=2)
    return Section(headline(found), [table, Paragraph(how_sure(found), note=True)])


def _table(summaries: Sequence[Summary], names: Sequence[str]) -> Section:
    rows: list[list[object]] = [["", *names]]
    rows += [[words, *(cell(summary) for summary in summaries)] for words, cell in rows_beside()]
    return Section("Side by side", [Table(rows)], id="table")


def _warnings(name: str, summary: Summary) -> Section:
    words = summary.warnings
    if not words:
        return Section(f"{name}: no warnings", [], look="good")
    return Section(f"{name}: {plural(len(words), 'warning')}", [Items(words)], look="warn")


def _about(run: Run) -> str:
    sentence = one_line(run.manifest.plan_sentence or "plan not recorded", 400)
    return f"{sentence} Run folder {one_line(run.folder.name, 100)}."
