"""The comparison in report.html: which run serves its users better, what differs, the pictures overlaid."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis.run_names import distinct_names
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.render.blocks import Facts, Items, Section, Table
from chatload.render.html_details import definitions
from chatload.render.side_by_side import differences, rows_beside
from chatload.render.text_table import plural
from chatload.store.journal import Run


def comparison(runs: Sequence[Run], summaries: Sequence[Summary]) -> list[Section]:
    """Several runs side by side."""
    names = distinct_names(runs, 40)
    sections = [
        _unlike(runs, names),
        _table(summaries, names),
        Section("Pictures", [], id="pictures"),
        Section("Doubts", [], id="trust"),
        *(_doubts(run, name, summary) for run, name, summary in zip(runs, names, summaries, strict=True)),
        Section("The runs", [Facts(list(zip(names, map(_about, runs), strict=True)))], id="runs"),
        definitions(),
    ]
    return [section for section in sections if section is not None]


def _unlike(runs: Sequence[Run], names: Sequence[str]) -> Section | None:
    found = differences(runs, names)
    return (
        Section("Not alike: a difference may come from here", [Items(found)], look="warn") if found else None
    )


def _table(summaries: Sequence[Summary], names: Sequence[str]) -> Section:
    rows: list[list[object]] = [["", *names]]
    rows += [[words, *(cell(summary) for summary in summaries)] for words, cell in rows_beside()]
    return Section("Side by side", [Table(rows)], id="table")


def _doubts(run: Run, name: str, summary: Summary) -> Section:
    words = summary.warnings
    if not words:
        return Section(f"{name}: no doubts found", [], look="good")
    return Section(f"{name}: {plural(len(words), 'doubt')}", [Items(words)], look="warn")


def _about(run: Run) -> str:
    sentence = one_line(run.manifest.plan_sentence or "plan not recorded", 400)
    return f"{sentence} Run folder {one_line(run.folder.name, 100)}."
