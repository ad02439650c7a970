"""`python -m chatload report RUN`: one run in words and tables, 80 columns wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from chatload.analysis.warnings import LATE_MS
from chatload.model.errors import CODES
from chatload.model.metrics import Metric, View, metric, metrics_in
from chatload.model.sanitize import one_line, shown
from chatload.model.summary import PERCENTILES, SlotRelease, Summary
from chatload.render.capacity_table import ladder
from chatload.render.jmeter_views import aggregate_report, sample_reply, slowest_turns
from chatload.render.slo_words import slo_section
from chatload.render.sparkline import over_time
from chatload.render.sweep_table import levels_section
from chatload.render.text_table import indented, number, plural, seconds, section, share, statistic, table
from chatload.render.validity_words import certificate_words, not_trustworthy
from chatload.store.journal import Run

SURE = ("p50", "p95", "p99")
STATISTICS = ("mean", "min", "p50", "p90", "p95", "p99", "max")


def report_text(run: Run, summary: Summary) -> str:
    """The whole report of one run."""
    parts = [
        indented(verdict(summary), "", ""),
        _heading(run, summary),
        ladder(run.manifest) or slo_section(summary),
        *(part(run, summary) for part in PARTS),
        ["", "How each number is defined: docs/metrics.md."],
    ]
    return shown("\n".join(line for part in parts for line in part) + "\n")


def verdict(summary: Summary) -> str:
    """The run in a sentence: turns good, TTFT, reading speed, longest silence."""
    return f"{not_trustworthy(summary.validity)} {verdict_of_turns(summary)}".lstrip()


def verdict_of_turns(summary: Summary) -> str:
    """The same without a word on whether the measurement can be trusted."""
    planned = summary.planned_turns or summary.turns + summary.interrupted
    good = f"{summary.succeeded:,} of {plural(planned, 'turn')} good"
    if not summary.succeeded:
        return f"{good}: nothing to measure."
    felt = summary.metric("felt_tokens_per_s")
    speed = f"each user reads {number(felt.p50)} tokens/s (p50), slowest {number(felt.min)}"
    return f"{good}; {_tail(summary)}; {speed}; longest silence {seconds(summary.metric('max_gap_ms').max)}."


def _tail(summary: Summary) -> str:
    """TTFT at the highest of p95 and p50 that n supports, else the worst one seen."""
    found = summary.metric("ttft_ms")
    for name in ("p95", "p50"):
        if name not in found.too_small:
            return f"TTFT {name} {seconds(found.statistic(name))}"
    return f"TTFT at most {seconds(found.max)}"


def _heading(run: Run, summary: Summary) -> list[str]:
    manifest, server = run.manifest, run.manifest.server
    started = _moment(one_line(manifest.started_utc or "?", 30))
    words = one_line(server.words or "unknown server", 120)
    where = one_line(server.host or "?", 120)
    lines = [
        ("Run", f"{one_line(run.folder.name, 100)}, {started}, {_length(summary)}"),
        ("Plan", one_line(manifest.plan_sentence or "not recorded", 400)),
        (
            "Server",
            f"{words} at {where}" + (f", dialect {server.dialect}" if server.dialect else ""),
        ),
        ("Client", certificate_words(manifest)),
    ]
    return ["", *(line for name, text in lines for line in indented(one_line(text, 500), f"{name:<8}"))]


def _length(summary: Summary) -> str:
    return f"{number(summary.throughput.seconds)} s from first due to last end"


def _moment(stamp: str) -> str:
    try:
        return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return stamp


def _warnings(run: Run, summary: Summary) -> list[str]:
    words = summary.warnings
    if not words:
        return ["", "Warnings: none."]
    return ["", "Warnings", *(line for one in words for line in indented(one, "  - ", "    "))]


def _turns(run: Run, summary: Summary) -> list[str]:
    rows = [["", "", *STATISTICS]]
    for one in told_metrics(summary, View.TABLE):
        found = summary.metric(one.key)
        rows.append([one.label, one.unit, *(statistic(found, name) for name in STATISTICS)])
    failed = summary.failures
    lines = table(rows, left=2) if len(rows) > 1 else ["none"]
    if failed:
        lines += ["", "with failed turns as endless:", *_endless(summary)]
    return section(f"Good turns ({summary.succeeded:,})", lines)


def told_metrics(summary: Summary, view: View) -> list[Metric]:
    """The metrics of a view that tell something of this run.

    Left out: what has no value; event gaps where ITL is known; TTFT from due where no turn was sent late.
    """
    late = summary.metric("late_ms").max
    left_out = {"gap_ms"} if summary.metric("itl_ms").n else set()
    if late is None or late <= LATE_MS:
        left_out.add("ttft_from_due_ms")
    return [one for one in metrics_in(view) if one.key not in left_out and summary.metric(one.key).n]


def _endless(summary: Summary) -> list[str]:
    rows = [["", "", *PERCENTILES]]
    for key, found in summary.with_failures.items():
        cells = [
            "endless" if found.statistic(name) is None else statistic(found, name) for name in PERCENTILES
        ]
        rows.append([metric(key).label, metric(key).unit, *cells])
    return table(rows, left=2)


def _sureness(run: Run, summary: Summary) -> list[str]:
    rows = [["", "", *SURE]]
    for one in metrics_in(View.INTERVALS):
        intervals = summary.metric(one.key).interval
        if intervals:
            rows.append([one.label, one.unit, *(_between(intervals.get(name)) for name in SURE)])
    if len(rows) == 1:
        return []
    return section(
        "How sure: 95 % intervals of the percentiles, turns taken as independent", table(rows, left=2)
    )


def _between(interval: tuple[float, float] | None) -> str:
    return "n too small" if interval is None else f"{number(interval[0])} … {number(interval[1])}"


def _system(run: Run, summary: Summary) -> list[str]:
    rows = [["", "", "whole run", "all users in"]]
    for words, unit, key in (
        ("length", "s", "seconds"),
        ("good turns", "1/s", "requests_per_s"),
        ("output tokens", "tokens/s", "tokens_per_s"),
    ):
        rows.append(
            [
                words,
                unit,
                *(number(getattr(part, key, None)) for part in (summary.throughput, summary.steady)),
            ]
        )
    lines = table(rows, left=2)
    whole = summary.conversations
    told = "" if whole is None else f", {plural(whole, 'complete conversation')}"
    lines += ["", f"{plural(summary.tokens, 'token')}{told}."]
    return section("The server as a whole", lines)


def _groups(run: Run, summary: Summary) -> list[str]:
    """The parts of a run, such as the levels of a sweep."""
    if not summary.groups:
        return []
    shown = [(one, name) for one in metrics_in(View.GROUPS) for name in one.shown[View.GROUPS]]
    rows = [["", "good turns", "tokens/s", *group_heads(shown)]]
    for name, part in summary.groups.items():
        cells = [statistic(part.metrics[one.key], statistic_name) for one, statistic_name in shown]
        rows.append([one_line(name, 16), f"{part.succeeded:,}", number(part.throughput.tokens_per_s), *cells])
    return section("Parts of the run: tokens/s of all, then of one user", table(rows))


def group_heads(shown: Sequence[tuple[Metric, str]]) -> list[str]:
    """Heads of the columns of parts: "TTFT p50, ms", then "max" where the same metric goes on."""
    heads: list[str] = []
    before = ""
    for one, name in shown:
        words = "lowest" if name == "min" else name
        if one.key != before:
            words = f"{one.label.removesuffix(' speed')} {words}" + (", ms" if one.unit == "ms" else "")
        heads.append(words)
        before = one.key
    return heads


def _stalls(run: Run, summary: Summary) -> list[str]:
    stalls = summary.stalls
    rule, waited = stalls.rule, stalls.reading_underrun_ms
    if not summary.succeeded:
        return []
    hit = f"{plural(stalls.count, 'stall')} in {plural(stalls.replies, 'reply')}"
    of_all = f"({share(stalls.replies, summary.succeeded)}), the longest {seconds(stalls.longest_ms)}"
    lines = [
        f"{hit} {of_all}" if stalls.count else "none",
        f"after the first token a reader of {stalls.reader_tokens_per_s:g} tokens/s waits "
        f"{seconds(waited.mean)}, at most {seconds(waited.max)}",
    ]
    limits = f"{rule.limit_s:g} s, or over {rule.factor:g}× the reply's median and {rule.floor_s:g} s"
    return section(f"Stalls: gaps over {limits}", lines)


def _failures(run: Run, summary: Summary) -> list[str]:
    if not summary.failed:
        return []
    lines = []
    for code, n in summary.failed.items():
        example = next(turn for turn in run.turns if turn.failed and turn.failure_code == code)
        words = CODES.get(code, "a code this version does not know")
        lines += indented(f"{n:,} {one_line(code, 30)} ({share(n, summary.turns)}): {words}")
        detail = one_line(example.detail or "no detail", 200)
        lines += indented(f"user {example.user} turn {example.turn}: {detail}", "      e.g. ")
    return ["", "Failures", *lines]


def _hang_ups(run: Run, summary: Summary) -> list[str]:
    """What became of the slots of replies whose users hung up."""
    found = summary.slot_release
    return [] if found is None else ["", "Hang-ups", *indented(slot_release_words(found))]


def slot_release_words(found: SlotRelease) -> str:
    """How long slots of abandoned replies were kept, in a sentence or two."""
    replies = f"{plural(found.hang_ups, 'reply')} that users hung up on"
    if found.freed_s is None or found.every_s is None:
        return f"How long the server kept the slots of {replies} is not known: {found.unknown}."
    low, high = found.freed_s
    if high is None:
        after = f"more than {low:.2g} s after"
    else:
        after = f"{low:.2g} to {high:.2g} s after" if low else f"within {high:.2g} s of"
    never = found.not_seen_freed and f" {found.not_seen_freed:,} were not seen freed before the run ended."
    return (
        f"Slots of {replies} were free again {after} the hang-up (median; by the server's own count of its requests, "
        f"read every {found.every_s:.2g} s).{never or ''}"
    )


PARTS: tuple[Callable[[Run, Summary], list[str]], ...] = (
    _warnings,
    _turns,
    _sureness,
    aggregate_report,
    _system,
    over_time,
    _groups,
    levels_section,
    _stalls,
    _failures,
    _hang_ups,
    slowest_turns,
    sample_reply,
)
"""The map of the report: what stands in it, from top to bottom."""
