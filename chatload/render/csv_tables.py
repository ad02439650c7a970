"""Runs as CSV (RFC 4180): the summary in long form, or a row a turn. Units stand in the column or the name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from chatload.analysis.run_names import distinct_names
from chatload.model.metrics import Metric, View, metrics_in, turn_metrics
from chatload.model.output import without_commands
from chatload.model.sanitize import one_line
from chatload.model.stalls import stalls_ms
from chatload.model.summary import ALL_USERS_IN, WHOLE_RUN, Distribution, Summary
from chatload.model.turn import Turn
from chatload.store.journal import Run

STATISTICS = ("n", "mean", "min", "p50", "p90", "p95", "p99", "max")
COUNTS = ("planned_turns", "turns", "succeeded", "interrupted", "users", "conversations", "tokens")
RATES = ("seconds", "requests_per_s", "tokens_per_s")
UNITS = {"seconds": "s", "requests_per_s": "1/s", "tokens_per_s": "tokens/s"}
OF_A_TURN = (
    "user",
    "turn",
    "group",
    "name",
    "ok",
    "code",
    "status",
    "finish",
    "tokens",
    "token_source",
    "events",
    "prompt_tokens",
    "images",
    "image_bytes",
    "bytes",
    "stamp_source",
    "new_connection",
    "retried",
    "request_id",
)


def summary_csv(runs: Sequence[Run], summaries: Sequence[Summary]) -> str:
    """run, metric, statistic, unit, value, window: a line each; a percentile's interval as its _low and _high.

    `window` is the stretch of the run that the value is of, and the part of the run where it is of one. A percentile
    that n cannot support is left empty, and so is an end of an interval.
    """
    rows: list[Sequence[object]] = [("run", "metric", "statistic", "unit", "value", "window")]
    for name, summary in zip(distinct_names(runs, 80), summaries, strict=True):
        rows += [(harmless(name), *row) for row in _of_summary(summary)]
    return _csv(rows)


def _of_summary(summary: Summary) -> Iterator[Sequence[object]]:
    for key in COUNTS:
        yield key, "count", "", getattr(summary, key), WHOLE_RUN
    for code, n in summary.failed.items():
        yield "failed", harmless(one_line(code, 40)), "turns", n, WHOLE_RUN
    steady = summary.steady  # without one its cells are empty
    for window, rates in ((WHOLE_RUN, summary.throughput), (ALL_USERS_IN, steady)):
        for key in RATES:
            yield key, window, UNITS[key], getattr(rates, key) if rates else None, window
        if rates is not None and rates.tokens_interval is not None:
            for end, value in zip(("low", "high"), rates.tokens_interval, strict=True):
                yield "tokens_per_s", f"{window}_{end}", UNITS["tokens_per_s"], value, window
    for window, metrics in ((summary.window.name, summary.metrics), (WHOLE_RUN, summary.whole_run)):
        for metric in metrics_in(View.SUMMARY):
            if (found := metrics.get(metric.key)) is not None:
                yield from ((*row, window) for row in _of_distribution(metric, found))
    for name, part in summary.groups.items():
        window = f"{WHOLE_RUN}, {harmless(one_line(name, 80))}"
        yield "turns", "count", "", part.turns, window
        yield "succeeded", "count", "", part.succeeded, window
        yield "tokens_per_s", WHOLE_RUN, UNITS["tokens_per_s"], part.throughput.tokens_per_s, window
        for metric in metrics_in(View.GROUPS):
            yield from ((*row, window) for row in _of_distribution(metric, part.metrics[metric.key]))
    yield "stalls", "count", "", summary.stalls.count, WHOLE_RUN
    yield "replies_with_a_stall", "count", "", summary.stalls.replies, WHOLE_RUN


def _of_distribution(metric: Metric, found: Distribution) -> Iterator[Sequence[object]]:
    key, unit = metric.key, metric.unit
    for name in STATISTICS:
        yield (
            key,
            name,
            "" if name == "n" else unit,
            None if name in found.too_small else found.statistic(name),
        )
    for name, ends in (found.interval or {}).items():
        yield key, f"{name}_low", unit, ends[0]
        yield key, f"{name}_high", unit, ends[1]


def turns_csv(runs: Sequence[Run]) -> str:
    """A row a turn: who, what became of it, every metric of docs/metrics.md; empty where it is undefined."""
    keys = [one.key for one in turn_metrics()]
    rows: list[Sequence[object]] = [("run", "due_s", *OF_A_TURN, *keys, "stalls", "detail")]
    for name, run in zip(distinct_names(runs, 80), runs, strict=True):
        zero = run.turns[0].due_ns if run.turns else 0
        rows += [(harmless(name), (turn.due_ns - zero) / 1e9, *_of_turn(turn)) for turn in run.turns]
    return _csv(rows)


def _of_turn(turn: Turn) -> Iterator[object]:
    for key in OF_A_TURN:
        value = getattr(turn, key)
        yield harmless(one_line(value, 80)) if isinstance(value, str) else value
    for metric in turn_metrics():
        yield metric.value(turn)
    yield len(stalls_ms(turn))
    yield harmless(one_line(turn.detail or "", 200))


def harmless(text: str) -> str:
    """The text such that no spreadsheet takes a server's words for a formula."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") and text else text


def _csv(rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return without_commands(out.getvalue())
