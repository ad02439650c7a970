"""Two or more runs beside each other, each compared with the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chatload.analysis.comparison import Comparison, compare_runs, trustworthy
from chatload.analysis.run_names import distinct_names
from chatload.model.metrics import Metric, View, metrics_in
from chatload.model.sanitize import one_line, shown
from chatload.model.summary import Summary
from chatload.render.comparison_words import headline, not_trustworthy_words
from chatload.render.text_table import ABSENT, indented, number, seconds, share, statistic, table
from chatload.store.journal import Run

COLUMNS = 4
NAME_WIDTHS = {2: 26, 3: 17, 4: 13}
"""Columns a run's name may take, by the number of runs beside each other."""

Row = tuple[str, Callable[[Summary], str]]

COUNTS: tuple[Row, ...] = (
    ("good turns", lambda s: f"{s.succeeded:,}"),
    ("failed turns", lambda s: f"{s.failures:,}"),
    ("interrupted turns", lambda s: f"{s.interrupted:,}"),
)
OF_THE_RUN: tuple[Row, ...] = (
    ("longest silence", lambda s: seconds(s.metric("max_gap_ms").max)),
    ("replies with a stall", lambda s: share(s.stalls.replies, s.succeeded)),
    ("tokens a reply, mean", lambda s: number(s.tokens / s.succeeded if s.succeeded else None)),
    ("whole run: turns/s", lambda s: number(s.throughput.requests_per_s)),
    ("whole run: tokens/s", lambda s: number(s.throughput.tokens_per_s)),
    ("all users in: turns/s", lambda s: number(s.steady.requests_per_s if s.steady else None)),
    ("all users in: tokens/s", lambda s: number(s.steady.tokens_per_s if s.steady else None)),
    ("tokens counted by", lambda s: one_line(", ".join(s.token_sources) or ABSENT, 13)),
)
WITH_INTERVAL = {("ttft_ms", "p95"), ("felt_tokens_per_s", "p50")}


def rows_beside() -> list[Row]:
    """The rows of the table: words, and how to read them from a summary."""
    rows = list(COUNTS)
    for one in metrics_in(View.SIDE_BY_SIDE):
        for name in one.shown[View.SIDE_BY_SIDE]:
            rows.append((_head(one, name), partial(_statistic_of, one.key, name)))
            if (one.key, name) in WITH_INTERVAL:
                rows.append(("  95 % interval", partial(_interval_of, one.key, name)))
    return [*rows, *OF_THE_RUN]


def _head(one: Metric, name: str) -> str:
    label = one.label.removesuffix(" speed")
    if name in ("min", "mean") and one.more_is_better:
        return f"{label} {'lowest' if name == 'min' else name}"
    return f"{label} {name}, {one.unit}"


def _statistic_of(key: str, name: str, summary: Summary) -> str:
    return statistic(summary.metric(key), name)


def _interval_of(key: str, name: str, summary: Summary) -> str:
    interval = summary.metric(key).interval_of(name)
    return "n too small" if interval is None else f"{number(interval[0])}…{number(interval[1])}"


def against_the_first(runs: Sequence[Run], names: Sequence[str]) -> list[Comparison]:
    """Each later run compared with the first."""
    later = zip(runs[1:], names[1:], strict=True)
    return [compare_runs(runs[:1], [run], names=(names[0], name)) for run, name in later]


def verdict(runs: Sequence[Run], found: Sequence[Comparison]) -> list[str]:
    """What is to be said first: whose measurement is not to be trusted, then how each run compares."""
    untrusted = [not_trustworthy_words(run) for run in runs if not trustworthy(run)]
    return untrusted + [headline(one) for one in found]


def warnings_of(found: Sequence[Comparison]) -> list[str]:
    """The warnings of all comparisons; where there are several, each says of which run."""
    several = len(found) > 1
    return [f"{one.names[1]}: {words}" if several else words for one in found for words in one.warnings]


def comparison_text(runs: Sequence[Run], summaries: Sequence[Summary]) -> str:
    """Verdicts, warnings, the table, and each run's own warnings."""
    names = distinct_names(runs, NAME_WIDTHS.get(len(runs), NAME_WIDTHS[COLUMNS]))
    found = against_the_first(runs, names)
    lines = [line for words in verdict(runs, found) for line in indented(words, "", "  ")]
    lines += _listed("Warnings", warnings_of(found))
    for start in range(0, len(runs), COLUMNS):
        stop = start + COLUMNS
        rows = [["", *names[start:stop]]]
        rows += [
            [words, *(cell(summary) for summary in summaries[start:stop])] for words, cell in rows_beside()
        ]
        lines += ["", *table(rows)]
    for name, summary in zip(names, summaries, strict=True):
        lines += _listed(f"Warnings about {name}", summary.warnings)
    folders = " and ".join(one_line(run.folder, 200) for run in runs)
    note = f"Intervals in the table take turns as independent. Each run alone: python -m chatload report {folders}"
    return shown("\n".join([*lines, "", *indented(note, "", "")]) + "\n")


def _listed(title: str, words: Sequence[str]) -> list[str]:
    if not words:
        return ["", f"{title}: none."]
    return ["", title, *(line for one in words for line in indented(one, "  - ", "    "))]
