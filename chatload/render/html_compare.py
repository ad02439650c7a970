"""The comparison in report.html: which run serves its users better, what differs, the pictures overlaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chatload.analysis.run_names import distinct_names
from chatload.analysis.warnings import caveats
from chatload.model.sanitize import one_line
from chatload.render.html_charts import charts
from chatload.render.html_details import definitions
from chatload.render.html_lanes import shared_length_s, swim_lanes
from chatload.render.markup import Html, facts, joined, table, tag
from chatload.render.side_by_side import ROWS, differences, verdict
from chatload.render.text_table import plural
from chatload.store.journal import Run

Summary = Mapping[str, Any]
MOST_LANES = 4
"""Swim-lanes are drawn for so many runs at most."""


def comparison(runs: Sequence[Run], summaries: Sequence[Summary]) -> Html:
    """Several runs side by side."""
    names = distinct_names(runs, 40)
    parts = [
        tag("p", "chatload comparison", class_="over"),
        tag("h1", " against ".join(names)),
        tag("p", verdict(names, summaries, runs), class_="verdict"),
        _unlike(runs, names),
        _table(summaries, names),
        tag("h2", "Pictures", id="pictures"),
        charts(runs, ()),
        *_lanes(runs, names),
        tag("h2", "Doubts", id="trust"),
        *(_doubts(run, name, summary) for run, name, summary in zip(runs, names, summaries, strict=True)),
        tag("h2", "The runs", id="runs"),
        facts(zip(names, (_about(run) for run in runs), strict=True)),
        definitions(),
    ]
    return joined(parts)


def _unlike(runs: Sequence[Run], names: Sequence[str]) -> Html | None:
    found = differences(runs, names)
    if not found:
        return None
    items = tag("ul", *(tag("li", words) for words in found))
    return tag("section", tag("h2", "Not alike: a difference may come from here"), items, class_="box warn")


def _table(summaries: Sequence[Summary], names: Sequence[str]) -> Html:
    rows: list[list[object]] = [["", *names]]
    rows += [[words, *(cell(summary) for summary in summaries)] for words, cell in ROWS]
    return joined([tag("h2", "Side by side", id="table"), table(rows)])


def _lanes(runs: Sequence[Run], names: Sequence[str]) -> list[Html]:
    length_s = shared_length_s(runs)
    return [swim_lanes(run, name, length_s) for run, name in list(zip(runs, names, strict=True))[:MOST_LANES]]


def _doubts(run: Run, name: str, summary: Summary) -> Html:
    words = caveats(run, summary)
    if not words:
        return tag("section", tag("h2", f"{name}: no doubts found"), class_="box good")
    items = tag("ul", *(tag("li", doubt) for doubt in words))
    return tag("section", tag("h2", f"{name}: {plural(len(words), 'doubt')}"), items, class_="box warn")


def _about(run: Run) -> str:
    sentence = one_line(run.manifest.get("plan_sentence") or "plan not recorded", 400)
    return f"{sentence} Run folder {one_line(run.folder.name, 100)}."
