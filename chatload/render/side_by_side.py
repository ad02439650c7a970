"""Two or more runs beside each other, each later one compared with the first: one report for terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.analysis.comparison import Comparison, compare_runs, trustworthy
from chatload.analysis.run_names import distinct_names
from chatload.model.metrics import Metric, View, metrics_in
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.words import plural
from chatload.render.blocks import Facts, Items, Section, Table
from chatload.render.comparison_words import (
    effects_section,
    equal_lengths_section,
    headline,
    not_trustworthy_words,
    unlike_first,
)
from chatload.render.cost_table import costs_beside
from chatload.render.first_glance import Marks, comparison_answer, comparison_marks
from chatload.render.overview import definitions
from chatload.render.run_verdict import simulated
from chatload.render.text import text_of
from chatload.render.text_table import ABSENT, number, seconds, share, statistic
from chatload.store.journal import Run

NAME_WIDTH = 26
Row = tuple[str, Callable[[Summary], str]]

COUNTS: tuple[Row, ...] = (
    ("good turns", lambda s: f"{s.succeeded:,}"),
    ("failed turns", lambda s: f"{s.failures:,}"),
    ("interrupted turns", lambda s: f"{s.interrupted:,}"),
)
OF_THE_RUN: tuple[Row, ...] = (
    ("longest silence", lambda s: seconds(s.of_whole_run("max_gap_ms").max)),
    ("replies with a stall", lambda s: share(s.stalls.replies, s.succeeded)),
    ("tokens a reply, mean", lambda s: number(s.tokens / s.succeeded if s.succeeded else None)),
    ("whole run: turns/s", lambda s: number(s.throughput.requests_per_s)),
    ("whole run: tokens/s", lambda s: number(s.throughput.tokens_per_s)),
    ("all users in: turns/s", lambda s: number(s.steady.requests_per_s if s.steady else None)),
    ("all users in: tokens/s", lambda s: number(s.steady.tokens_per_s if s.steady else None)),
    ("tokens counted by", lambda s: one_line(", ".join(s.token_sources) or ABSENT, 13)),
)


class SideBySide:
    """Runs beside each other: their names, what is said first, and the sections."""

    def __init__(
        self, runs: Sequence[Run], summaries: Sequence[Summary], window: str = "", *, force: bool = False
    ) -> None:
        self.names = distinct_names(runs, NAME_WIDTH)
        self._runs, self._summaries = runs, summaries
        later = zip(runs[1:], self.names[1:], strict=True)
        self._found = [
            compare_runs(runs[:1], [run], names=(self.names[0], name), window=window, force=force)
            for run, name in later
        ]

    @property
    def verdict(self) -> list[str]:
        """The doubts, then how each run compares with the first."""
        return [
            *self.doubts,
            *filter(None, [simulated(self._runs)]),
            *self._unlike,
            *map(headline, self._found),
        ]

    @property
    def doubts(self) -> list[str]:
        """Whose measurement is not to be trusted."""
        doubtful = [run for run in self._runs if not trustworthy(run)]
        return [not_trustworthy_words(*doubtful)] if doubtful else []

    @property
    def _unlike(self) -> list[str]:
        """What is not alike, each once."""
        return list(dict.fromkeys(words for one in self._found for words in unlike_first(one)))

    @property
    def answer(self) -> str:
        """The headline of the page."""
        return " ".join(filter(None, [simulated(self._runs), comparison_answer(self._found)]))

    @property
    def not_alike(self) -> str:
        """What is not alike, as the page says it below its headline."""
        return " ".join(f"{words.removesuffix('.')}." for words in self._unlike)

    @property
    def marks(self) -> Marks:
        """What differs, as a row of marks."""
        return comparison_marks(self._found)

    @property
    def sections(self) -> list[Section]:
        """Warnings of the comparison, effects, all figures, each run's own warnings, what the runs are."""
        rows = [["", *self.names]]
        rows += [[words, *map(cell, self._summaries)] for words, cell in rows_beside()]
        rows += [[words, *map(cell, self._summaries)] for words, cell in costs_beside(self._summaries)]
        warnings = _warnings_of(self._found)
        runs = [(name, _about(run)) for name, run in zip(self.names, self._runs, strict=True)]
        return [
            *([Section("Warnings about the comparison", [Items(warnings)], look="warn")] if warnings else []),
            *(effects_section(one) for one in self._found if one.effects),
            *filter(None, map(equal_lengths_section, self._found)),
            Section("Side by side", [Table(rows)], id="table"),
            Section("Pictures", [], id="pictures"),
            *(_own_warnings(*one) for one in zip(self.names, self._summaries, strict=True)),
            Section("The runs", [Facts(runs)], id="runs"),
            definitions(),
        ]


def side_by_side_text(
    runs: Sequence[Run], summaries: Sequence[Summary], window: str = "", *, force: bool = False
) -> str:
    """Several runs for the terminal."""
    beside = SideBySide(runs, summaries, window, force=force)
    first, *others = (one_line(run.folder, 200) for run in runs)
    note = f"One run alone: chatload report {first} (or {', '.join(others)})"
    return text_of(beside.verdict, beside.sections, note)


def rows_beside() -> list[Row]:
    """The rows of the table: words, and how to read them from a summary."""
    rows = [_row(one, name) for one in metrics_in(View.SIDE_BY_SIDE) for name in one.shown[View.SIDE_BY_SIDE]]
    return [*COUNTS, ("percentiles of", lambda s: s.window.name), *rows, *OF_THE_RUN]


def _row(one: Metric, name: str) -> Row:
    label = one.label.removesuffix(" speed")
    if name in ("min", "mean") and one.more_is_better:
        head = f"{label} {'lowest' if name == 'min' else name}"
    else:
        head = f"{label} {name}, {one.unit}"
    return head, lambda summary: statistic(summary.metric(one.key), name)


def _warnings_of(found: Sequence[Comparison]) -> list[str]:
    """The warnings of all comparisons, those that all have once; others say of which run, where there are several."""
    shared = [words for words in found[0].warnings if all(words in one.warnings for one in found)]
    own = [f"{one.names[1]}: {words}" for one in found for words in one.warnings if words not in shared]
    return [*shared, *own]


def _own_warnings(name: str, summary: Summary) -> Section:
    n = len(summary.warnings)
    if not n:
        return Section(f"{name}: no warnings", [], look="good")
    return Section(f"{name}: {plural(n, 'warning')}", [Items(summary.warnings)], look="warn")


def _about(run: Run) -> str:
    sentence = one_line(run.manifest.plan_sentence or "plan not recorded", 400)
    label = f" Label: {one_line(run.manifest.label, 200)}." if run.manifest.label else ""
    return f"{sentence}{label} Run folder {one_line(run.folder.name, 100)}."
