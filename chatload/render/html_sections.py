"""The parts of report.html for one run, top to bottom: each takes run and summary, returns markup or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Any

from chatload.analysis.slot_release import freeing_words
from chatload.analysis.summary import failure_code, is_failed
from chatload.analysis.validity import certificate_words, first_words
from chatload.analysis.warnings import caveats
from chatload.model.errors import CODES
from chatload.model.sanitize import one_line
from chatload.render.capacity_table import ladder
from chatload.render.jmeter_views import ELAPSED, SLOWEST_BY, aggregate_rows, slowest_rows
from chatload.render.markup import Html, joined, table, tag
from chatload.render.slo_words import interval_words, remark, value_words
from chatload.render.sweep_table import levels_section
from chatload.render.text import METRICS, STATISTICS
from chatload.render.text_table import number, plural, seconds, share, statistic
from chatload.store.journal import Run

Summary = Mapping[str, Any]
INTERVALS_OF = ("p50", "p95", "p99")
ABSENT = "–"


def trust(run: Run, summary: Summary) -> Html:
    """Whether the measurement itself may be believed, what was certified, and every doubt."""
    doubts, untrustworthy = caveats(run, summary), first_words(summary.get("trust"))
    if untrustworthy:
        title, look = "This measurement is not trustworthy", "bad"
        doubts = [untrustworthy, *doubts]
    elif doubts:
        title, look = f"{plural(len(doubts), 'doubt')} about this run", "warn"
    else:
        title, look = "No doubts found", "good"
    listed = tag("ul", *(tag("li", doubt) for doubt in doubts)) if doubts else None
    proof = certificate_words(run.manifest)
    note = tag("p", f"{proof[:1].upper()}{proof[1:]}.", class_="note")
    return tag("section", tag("h2", title), listed, note, class_=f"box {look}", id="trust")


def _as_printed(lines: Sequence[str]) -> Html | None:
    """A section of the text report, as it is printed there."""
    told = [line for line in lines if line]
    if not told:
        return None
    return joined([tag("h2", told[0]), tag("pre", dedent("\n".join(told[1:])), class_="printed")])


def slos(run: Run, summary: Summary) -> Html | None:
    """What was asked and what became of it."""
    judged = summary.get("slo") or []
    if not judged or ladder(run.manifest):  # there they were asked of each level
        return None
    rows: list[list[object]] = [["verdict", "SLO", "measured", "95 % interval", ""]]
    rows += [
        [one["verdict"], one["slo"], value_words(one), interval_words(one) or ABSENT, remark(one)]
        for one in judged
    ]
    found = {one["verdict"] for one in judged}
    look = "bad" if "missed" in found else "warn" if "undecided" in found else "good"
    good = summary.get("goodput")
    words = None
    if good and good["turns"] is not None:
        turns, conversations = f"{100 * good['turns']:.1f} %", f"{100 * good['conversations']:.1f} %"
        kept = ", ".join(good["limits"])
        words = tag(
            "p", f"Goodput: {turns} of the turns and {conversations} of the conversations kept {kept}."
        )
    return tag(
        "section",
        tag("h2", "Service level objectives"),
        table(rows, left=2),
        words,
        class_=f"box {look}",
        id="slo",
    )


def cards(run: Run, summary: Summary) -> Html | None:
    """The headline numbers, each with the interval it may be believed to."""
    if not summary["succeeded"]:
        return None
    steady, stalls = summary["steady"] or {}, summary["stalls"]
    failed = sum(summary["failed"].values())
    speed, whole = steady.get("tokens_per_s"), "with all users in"
    if speed is None:
        speed, whole = summary["tokens_per_s"], "over the whole run"
    lowest = number(summary["felt_tokens_per_s"]["min"])
    found = [
        _card("TTFT p95", *_sure(summary, "ttft_ms", "p95", " ms")),
        _card("TTFT p50", *_sure(summary, "ttft_ms", "p50", " ms")),
        _card("first byte p95", *_sure(summary, "first_byte_ms", "p95", " ms", "what JMeter calls Latency")),
        _card("felt speed p50", *_sure(summary, "felt_tokens_per_s", "p50", " tokens/s", f"slowest turn {lowest}")),
        _card("decode speed p50", *_sure(summary, "decode_tokens_per_s", "p50", " tokens/s")),
        _card("output of the server", number(speed), " tokens/s", whole),
        _card("failed turns", f"{failed:,}", f" of {summary['turns']:,}", "of all held" if failed else "every one good",
              "bad" if failed else "good"),
        _card("replies with a stall", share(stalls["replies"], summary["succeeded"]), "",
              f"longest silence {seconds(summary['max_gap_ms']['max'])}", "warn" if stalls["count"] else ""),
    ]  # fmt: skip
    return tag("div", *found, class_="cards")


def _sure(summary: Summary, key: str, name: str, unit: str, else_words: str = "") -> tuple[str, str, str]:
    found = summary[key]
    interval = (found.get("interval") or {}).get(name)
    words = "" if interval is None else f"95 %: {number(interval[0])} … {number(interval[1])}"
    return (
        statistic(found, name),
        unit,
        "\n".join(filter(None, (words or "too few turns for an interval", else_words))),
    )


def _card(name: str, value: str, unit: str, words: str, look: str = "") -> Html:
    return tag("div", tag("span", name, class_="name"), tag("b", value, tag("small", unit)),
               *(tag("span", line) for line in words.split("\n")),
               class_=f"card {look}".strip())  # fmt: skip


def distributions(run: Run, summary: Summary) -> Html | None:
    """Every metric of the good turns, and how sure its percentiles are."""
    rows: list[list[object]] = [["", "unit", *STATISTICS]]
    sure: list[list[object]] = [["", "unit", *INTERVALS_OF]]
    for words, unit, key in METRICS:
        found = summary[key]
        if not found or not found["n"]:
            continue
        rows.append([words, unit, *(statistic(found, name) for name in STATISTICS)])
        intervals = found.get("interval")
        if intervals:
            sure.append([words, unit, *(_between(intervals.get(name)) for name in INTERVALS_OF)])
    if len(rows) == 1:
        return None
    parts: list[Html | None] = [
        tag("h2", f"Good turns ({summary['succeeded']:,})", id="turns"),
        table(rows, left=2),
    ]
    if sum(summary["failed"].values()):
        parts.append(_endless(summary))
    if len(sure) > 1:
        parts.append(
            table(sure, left=2, caption="95 % intervals of the percentiles, turns taken as independent")
        )
    return joined(parts)


def _between(interval: list[float] | None) -> str:
    return "n too small" if interval is None else f"{number(interval[0])} … {number(interval[1])}"


def _endless(summary: Summary) -> Html:
    rows: list[list[object]] = [["", "unit", "p50", "p90", "p95", "p99"]]
    for words, key in (("TTFT", "ttft_ms"), ("E2E", "e2e_ms")):
        found = summary["with_failures"][key]
        cells = ["endless" if found[name] is None else statistic(found, name) for name in rows[0][2:]]  # type: ignore[arg-type]
        rows.append([words, "ms", *cells])
    return table(rows, left=2, caption="With each failed turn as endless")


def system(run: Run, summary: Summary) -> Html | None:
    """The server as a whole, and the parts of a run where it has some."""
    if not summary["turns"]:
        return None
    steady = summary["steady"] or {}
    rows: list[list[object]] = [["", "unit", "whole run", "all users in"]]
    rows += [
        [words, unit, number(summary[key]), number(steady.get(key))]
        for words, unit, key in (
            ("length", "s", "seconds"), ("good turns", "1/s", "requests_per_s"), ("output", "tokens/s", "tokens_per_s"),
        )
    ]  # fmt: skip
    told = (
        ""
        if summary["conversations"] is None
        else f", {plural(summary['conversations'], 'complete conversation')}"
    )
    parts = [tag("h2", "The server as a whole", id="system"), table(rows, left=2),
             tag("p", f"{plural(summary['tokens'], 'token')}{told}.", class_="note"), _groups(summary),
             _as_printed(levels_section(run, summary))]  # fmt: skip
    return joined(parts)


def _groups(summary: Summary) -> Html | None:
    if not summary["groups"]:
        return None
    rows: list[list[object]] = [
        [
            "",
            "good turns",
            "tokens/s",
            "decode p50",
            "felt mean",
            "felt lowest",
            "TTFT p50, ms",
            "TTFT max, ms",
        ]
    ]
    for name, part in summary["groups"].items():
        decode, felt, ttft = part["decode_tokens_per_s"], part["felt_tokens_per_s"], part["ttft_ms"]
        rows.append([
            name, f"{part['succeeded']:,}", number(part["tokens_per_s"]), statistic(decode, "p50"),
            number(felt["mean"]), number(felt["min"]), statistic(ttft, "p50"), number(ttft["max"]),
        ])  # fmt: skip
    return table(rows, caption="Parts of the run: tokens/s of all, then of one user")


def listeners(run: Run, summary: Summary) -> Html | None:
    """JMeter's aggregate report, and the slowest turns."""
    rows = aggregate_rows(run, summary)
    if not rows:
        return None
    parts = [tag("h2", "Aggregate report", id="aggregate"), table(rows, left=0, caption=ELAPSED)]
    shown: list[list[str]] = []
    for words, of in SLOWEST_BY:
        slowest = slowest_rows(run, of)
        if slowest and slowest == shown:
            parts.append(tag("p", f"The slowest by {words} are the same turns.", class_="note"))
        elif slowest:
            parts += [tag("h3", f"Slowest good turns by {words}"), table(slowest, left=0)]
        shown = slowest
    return joined(parts)


def hang_ups(run: Run, summary: Summary) -> Html | None:
    """What became of the slots of replies whose users hung up."""
    found = summary["abandonment"]
    if found is None:
        return None
    return joined([tag("h2", "Hang-ups", id="hang-ups"), tag("p", freeing_words(found))])


def failures(run: Run, summary: Summary) -> Html | None:
    """Failed turns by code, each with one example in the server's words."""
    if not summary["failed"]:
        return None
    rows: list[list[object]] = [["code", "meaning", "one example", "turns", "share"]]
    for code, n in summary["failed"].items():
        example = next(turn for turn in run.turns if is_failed(turn) and failure_code(turn) == code)
        words = f"user {example.user} turn {example.turn}: {one_line(example.detail or 'no detail', 300)}"
        meaning = CODES.get(code, "a code this version does not know")
        rows.append([one_line(code, 40), meaning, words, f"{n:,}", share(n, summary["turns"])])
    return joined([tag("h2", "Failures", id="failures"), tag("div", table(rows, left=3), class_="wrap")])
