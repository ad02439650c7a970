"""The parts of report.html for one run, top to bottom: each takes run and summary, returns a section or nothing."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

from chatload.model.errors import CODES
from chatload.model.metrics import Metric, View, metric, metrics_in
from chatload.model.sanitize import one_line
from chatload.model.summary import PERCENTILES, Summary
from chatload.render.blocks import Block, Card, Cards, Heading, Items, Paragraph, Printed, Section, Table
from chatload.render.capacity_table import ladder
from chatload.render.jmeter_views import ELAPSED, SLOWEST_BY, aggregate_rows, slowest_rows
from chatload.render.slo_words import interval_words, remark, value_words
from chatload.render.sweep_table import levels_section
from chatload.render.text import STATISTICS, group_heads, slot_release_words, told_metrics
from chatload.render.text_table import number, plural, seconds, share, statistic
from chatload.render.validity_words import certificate_words, not_trustworthy
from chatload.store.journal import Run

INTERVALS_OF = ("p50", "p95", "p99")
ABSENT = "–"


def trust(run: Run, summary: Summary) -> Section:
    """Whether the measurement itself may be believed, what was certified, and every warning."""
    warnings, untrustworthy = list(summary.warnings), not_trustworthy(summary.validity)
    if untrustworthy:
        title, look = "This measurement is not trustworthy", "bad"
        warnings = [untrustworthy, *warnings]
    elif warnings:
        title, look = f"{plural(len(warnings), 'warning')} about this run", "warn"
    else:
        title, look = "No warnings", "good"
    proof = certificate_words(run.manifest)
    note = Paragraph(f"{proof[:1].upper()}{proof[1:]}.", note=True)
    blocks: list[Block] = [Items(warnings), note] if warnings else [note]
    return Section(title, blocks, id="trust", look=look)


def slos(run: Run, summary: Summary) -> Section | None:
    """What was asked and what became of it."""
    judged = summary.slo
    if not judged or ladder(run.manifest):  # there they were asked of each level
        return None
    rows: list[list[object]] = [["verdict", "SLO", "measured", "95 % interval", ""]]
    rows += [
        [one.verdict, one.slo, value_words(one), interval_words(one) or ABSENT, remark(one)] for one in judged
    ]
    found = {one.verdict for one in judged}
    look = "bad" if "missed" in found else "warn" if "undecided" in found else "good"
    good = summary.goodput
    blocks: list[Block] = [Table(rows, left=2)]
    if good and good.turns is not None and good.conversations is not None:
        turns, conversations = f"{100 * good.turns:.1f} %", f"{100 * good.conversations:.1f} %"
        kept = ", ".join(good.limits)
        blocks.append(
            Paragraph(f"Goodput: {turns} of the turns and {conversations} of the conversations kept {kept}.")
        )
    return Section("Service level objectives", blocks, id="slo", look=look)


def capacity(run: Run, summary: Summary) -> Section | None:
    """The levels of a run that looked for the limit."""
    told = [line for line in ladder(run.manifest) if line]
    return Section(told[0], [Printed(dedent("\n".join(told[1:])))], id="capacity") if told else None


def pictures(run: Run, summary: Summary) -> Section | None:
    """Where the pictures of the run go."""
    return Section("Pictures", [], id="pictures")


def cards(run: Run, summary: Summary) -> Section | None:
    """The headline numbers, each with the interval it may be believed to."""
    if not summary.succeeded:
        return None
    stalls, failed = summary.stalls, summary.failures
    speed, whole = summary.throughput.tokens_per_s, "over the whole run"
    if summary.steady is not None and summary.steady.tokens_per_s is not None:
        speed, whole = summary.steady.tokens_per_s, "with all users in"
    found = [
        *(_measured(summary, one, name) for one in metrics_in(View.CARDS) for name in one.shown[View.CARDS]),
        Card("output of the server", number(speed), " tokens/s", [whole]),
        Card("failed turns", f"{failed:,}", f" of {summary.turns:,}",
             ["of all held" if failed else "every one good"], "bad" if failed else "good"),
        Card("replies with a stall", share(stalls.replies, summary.succeeded), "",
             [f"longest silence {seconds(summary.metric('max_gap_ms').max)}"], "warn" if stalls.count else ""),
    ]  # fmt: skip
    return Section("", [Cards(found)])


_CARD_NOTES: dict[str, Callable[[Summary], str]] = {
    "first_byte_ms": lambda summary: "what JMeter calls Latency",
    "felt_tokens_per_s": lambda summary: f"slowest turn {number(summary.metric('felt_tokens_per_s').min)}",
}


def _measured(summary: Summary, one: Metric, name: str) -> Card:
    found = summary.metric(one.key)
    interval = found.interval_of(name)
    words = "" if interval is None else f"95 %: {number(interval[0])} … {number(interval[1])}"
    note = _CARD_NOTES.get(one.key)
    lines = [words or "too few turns for an interval", note(summary) if note else ""]
    return Card(
        f"{one.label} {name}", statistic(found, name), f" {one.unit}", [line for line in lines if line]
    )


def distributions(run: Run, summary: Summary) -> Section | None:
    """Every metric of the good turns, and how sure its percentiles are."""
    rows: list[list[object]] = [["", "unit", *STATISTICS]]
    sure: list[list[object]] = [["", "unit", *INTERVALS_OF]]
    for one in told_metrics(summary, View.TABLE):
        found = summary.metric(one.key)
        rows.append([one.label, one.unit, *(statistic(found, name) for name in STATISTICS)])
    for one in metrics_in(View.INTERVALS):
        intervals = summary.metric(one.key).interval
        if intervals:
            sure.append([one.label, one.unit, *(_between(intervals.get(name)) for name in INTERVALS_OF)])
    if len(rows) == 1:
        return None
    blocks: list[Block] = [Table(rows, left=2)]
    if summary.failures:
        blocks.append(_endless(summary))
    if len(sure) > 1:
        blocks.append(
            Table(sure, left=2, caption="95 % intervals of the percentiles, turns taken as independent")
        )
    return Section(f"Good turns ({summary.succeeded:,})", blocks, id="turns")


def _between(interval: tuple[float, float] | None) -> str:
    return "n too small" if interval is None else f"{number(interval[0])} … {number(interval[1])}"


def _endless(summary: Summary) -> Table:
    rows: list[list[object]] = [["", "unit", *PERCENTILES]]
    for key, found in summary.with_failures.items():
        cells = [
            "endless" if found.statistic(name) is None else statistic(found, name) for name in PERCENTILES
        ]
        rows.append([metric(key).label, metric(key).unit, *cells])
    return Table(rows, left=2, caption="With each failed turn as endless")


def system(run: Run, summary: Summary) -> Section | None:
    """The server as a whole, and the parts of a run where it has some."""
    if not summary.turns:
        return None
    rows: list[list[object]] = [["", "unit", "whole run", "all users in"]]
    rows += [
        [words, unit, *(number(getattr(part, key, None)) for part in (summary.throughput, summary.steady))]
        for words, unit, key in (
            ("length", "s", "seconds"), ("good turns", "1/s", "requests_per_s"), ("output", "tokens/s", "tokens_per_s"),
        )
    ]  # fmt: skip
    told = (
        "" if summary.conversations is None else f", {plural(summary.conversations, 'complete conversation')}"
    )
    blocks: list[Block] = [
        Table(rows, left=2),
        Paragraph(f"{plural(summary.tokens, 'token')}{told}.", note=True),
        *_groups(summary),
    ]
    levels = [line for line in levels_section(run, summary) if line]
    if levels:
        blocks += [Heading(levels[0]), Printed(dedent("\n".join(levels[1:])))]
    return Section("The server as a whole", blocks, id="system")


def _groups(summary: Summary) -> list[Table]:
    if not summary.groups:
        return []
    shown = [(one, name) for one in metrics_in(View.GROUPS) for name in one.shown[View.GROUPS]]
    rows: list[list[object]] = [["", "good turns", "tokens/s", *group_heads(shown)]]
    for name, part in summary.groups.items():
        cells = [statistic(part.metrics[one.key], statistic_name) for one, statistic_name in shown]
        rows.append([name, f"{part.succeeded:,}", number(part.throughput.tokens_per_s), *cells])
    return [Table(rows, caption="Parts of the run: tokens/s of all, then of one user")]


def listeners(run: Run, summary: Summary) -> Section | None:
    """JMeter's aggregate report, and the slowest turns."""
    rows = aggregate_rows(run, summary)
    if not rows:
        return None
    blocks: list[Block] = [Table(rows, left=0, caption=ELAPSED)]
    shown: list[list[str]] = []
    for words, of in SLOWEST_BY:
        slowest = slowest_rows(run, of)
        if slowest and slowest == shown:
            blocks.append(Paragraph(f"The slowest by {words} are the same turns.", note=True))
        elif slowest:
            blocks += [Heading(f"Slowest good turns by {words}"), Table(slowest, left=0)]
        shown = slowest
    return Section("Aggregate report", blocks, id="aggregate")


def hang_ups(run: Run, summary: Summary) -> Section | None:
    """What became of the slots of replies whose users hung up."""
    found = summary.slot_release
    if found is None:
        return None
    return Section("Hang-ups", [Paragraph(slot_release_words(found))], id="hang-ups")


def failures(run: Run, summary: Summary) -> Section | None:
    """Failed turns by code, each with one example in the server's words."""
    if not summary.failed:
        return None
    rows: list[list[object]] = [["code", "meaning", "one example", "turns", "share"]]
    for code, n in summary.failed.items():
        example = next(turn for turn in run.turns if turn.failed and turn.failure_code == code)
        words = f"user {example.user} turn {example.turn}: {one_line(example.detail or 'no detail', 300)}"
        meaning = CODES.get(code, "a code this version does not know")
        rows.append([one_line(code, 40), meaning, words, f"{n:,}", share(n, summary.turns)])
    return Section("Failures", [Table(rows, left=3, wrap=True)], id="failures")
