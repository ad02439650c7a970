"""summary.md: a run in Markdown, for a job's summary page or a comment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from chatload.analysis.exit_code import GOOD, UNSURE, UNTRUSTED, code_of
from chatload.model.metrics import View, metrics_in
from chatload.model.sanitize import one_line, shown
from chatload.model.summary import PERCENTILES, WHOLE_RUN, Distribution, Summary
from chatload.model.words import listed, plural
from chatload.render.blocks import Heading, Items, Paragraph, Section, Table
from chatload.render.cost_table import cost
from chatload.render.first_token_table import first_token
from chatload.render.run_verdict import headline
from chatload.render.server_table import server
from chatload.render.slo_words import interval_words, remark, score, sure_words, value_words
from chatload.render.text_table import number, statistic
from chatload.render.turn_tables import standstill
from chatload.store.journal import Run

MARKS = {GOOD: "✅", UNSURE: "❔", UNTRUSTED: "⚠️"}
"""What stands before the verdict, by exit code; ❌ for any other."""
SIGNS = {"met": "✅ met", "missed": "❌ missed", "undecided": "❔ undecided", "part": "part"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&])")


def summary_markdown(run: Run, summary: Summary) -> str:
    """The verdict with its mark and one table: the SLOs, else the metrics that matter; the rest opens on a click."""
    manifest = run.manifest
    named = listed(
        list(dict.fromkeys(one_line(one.words or "unknown server", 120) for one in manifest.servers))
    )
    label = f" ({escaped(manifest.label)})" if manifest.label else ""
    lines = [f"## chatload: {escaped(manifest.scenario or run.folder.name)}{label}", ""]
    lines += [f"{MARKS.get(code_of(run, summary)[0], '❌')} {escaped(headline(run, summary), 2000)}", ""]
    figures = _figures(summary)
    if summary.slo:
        lines += [f"**{score(summary.slo)}**", "", *_slos(summary), ""]
    else:
        lines += figures[: figures.index("") + 1] if figures else []
        figures = figures[figures.index("") + 1 :] if figures else []
    rest = [f"{escaped(named)}. {escaped(manifest.plan_sentence, 400)}", "", *figures]
    if summary.failed:
        rows = [[escaped(code), f"{n:,}"] for code, n in summary.failed.items()]
        rest += [*table(["failed turns", "n"], rows), ""]
    for made in (first_token, server, cost):
        section = made(run, summary)
        if section is not None and section.text:
            rest += markdown_of(section)
    rest += [f"- {escaped(words, 400)}" for words in summary.warnings]
    warnings = (
        f", figures and {plural(len(summary.warnings), 'warning')}" if summary.warnings else " and figures"
    )
    lines += folded(f"Plan{warnings}", rest)
    return shown("\n".join(lines).rstrip("\n") + "\n")


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Lines that open on a click; GitHub and GitLab read Markdown in there after a blank line."""
    return ["<details>", f"<summary>{escaped(title)}</summary>", "", *lines, "", "</details>", ""]


def _slos(summary: Summary) -> list[str]:
    rows = [
        [
            " ".join(filter(None, (SIGNS[one.verdict], sure_words(one)))),
            f"`{one.slo}`",
            value_words(one),
            interval_words(one),
            one.window,
            remark(one),
        ]
        for one in summary.slo
    ]
    return table(["", "SLO", "measured", "95 % interval", "of", ""], rows)


def _figures(summary: Summary) -> list[str]:
    """The metrics that matter, of the window and of the whole run, each table with a blank line after it."""
    if not summary.succeeded:
        return []
    lines = [
        *table([f"good turns, {summary.window.name}", *PERCENTILES, "max"], _metrics(summary.metric)),
        "",
    ]
    if summary.whole_run:
        rows = _metrics(summary.of_whole_run)
        lines += [*table([f"good turns, {WHOLE_RUN}", *PERCENTILES, "max"], rows), ""]
    return [*lines, f"Longest standstill of the server: {standstill(summary)}.", ""]


def markdown_of(section: Section) -> list[str]:
    """A section with its title."""
    return [f"**{escaped(section.title)}**", "", *_blocks(section), ""]


def _blocks(section: Section) -> list[str]:
    """A section's headings, tables, lists and paragraphs."""
    lines: list[str] = []
    for block in section.blocks:
        if isinstance(block, Table):
            rows = [[escaped(cell) for cell in row] for row in block.rows]
            lines += ["", f"{escaped(block.caption)}:"] if block.caption else []
            lines += ["", *table(rows[0], rows[1:])] if lines and lines[-1] else table(rows[0], rows[1:])
        elif isinstance(block, Heading):
            lines += ["", f"**{escaped(block.words)}**", ""]
        elif isinstance(block, Items):
            lines += ["", *(f"- {escaped(words, 600)}" for words in block.items)]
        elif isinstance(block, Paragraph):
            lines += ["", escaped(block.words, 600)]
    return lines


def _metrics(of: Callable[[str], Distribution]) -> list[list[str]]:
    return [
        [
            f"{one.label}, {one.unit}",
            *(statistic(of(one.key), name) for name in PERCENTILES),
            number(of(one.key).max),
        ]
        for one in metrics_in(View.MARKDOWN)
    ]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of GitHub's Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in rows]


def escaped(words: object, limit: int = 200) -> str:
    """The text without Markdown, HTML or table cells of its own."""
    return _SPECIAL.sub(r"\\\1", one_line(words, limit))
