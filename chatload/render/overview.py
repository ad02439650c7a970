"""Sections on a run as a whole: warnings, SLOs, headline numbers, plan, manifest, and how each number is defined."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatload.analysis.same_answers import same_answers_words
from chatload.analysis.slo_verdict import worst
from chatload.model.metrics import Metric, View, metrics_in
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.verdict import MET, MISSED, PART, UNDECIDED
from chatload.model.words import listed, plural
from chatload.render.blocks import Block, Card, Cards, Details, Facts, Items, Paragraph, Section, Table
from chatload.render.run_verdict import certificate_words
from chatload.render.slo_words import goodput_words, interval_words, remark, sure_words, value_words
from chatload.render.text_table import number, range_words, seconds, share, statistic
from chatload.store.journal import Run

DEFINED = (
    ("stall", "a gap over 1 s, or over 5 × the reply’s median gap and 0.2 s."),
    (
        "n (tokens)",
        "the server’s own usage, else its per-event counts, else events; the source is named above.",
    ),
    (
        "good turn",
        "2xx, no error inside the stream, an end mark, a complete HTTP message. All else is failed.",
    ),
    ("all users in", "turns due from the last user’s first due to the first user’s last end."),
    ("interval", "95 %, from the scatter between 5 to 10 equal blocks of time (docs/statistics.md)."),
)
"""What is defined besides the metrics; docs/metrics.md says all in full."""

LOOKS = {MISSED: "bad", UNDECIDED: "warn", MET: "good", PART: "good"}


def warnings(run: Run, summary: Summary) -> Section:
    """Whether the measurement itself can be trusted, every warning, and what was certified."""
    listed = list(summary.warnings)
    if not summary.validity.trustworthy:
        title, look = "This measurement is not trustworthy, as said above", "bad"
    elif listed:
        title, look = f"{plural(len(listed), 'warning')} about this run", "warn"
    else:
        title, look = "No warnings", "good"
    proof = certificate_words(run.manifest)
    note = Paragraph(f"{proof[:1].upper()}{proof[1:]}.", note=True)
    told: list[Block] = [Items(listed)] if listed else []
    return Section(title, [*told, note], id="trust", look=look)


def slos(run: Run, summary: Summary) -> Section | None:
    """What was asked and what became of it; a capacity search asks it of each level, and says so there."""
    if not summary.slo or run.manifest.capacity is not None:
        return None
    rows = [["verdict", "", "SLO", "measured", "95 % interval", "of"]]
    rows += [
        [one.verdict, sure_words(one), one.slo, value_words(one), interval_words(one), one.window]
        for one in summary.slo
    ]
    blocks: list[Block] = [Table(rows, left=3)]
    remarks = [f"{one.slo}: {words}" for one in summary.slo if one.verdict != PART and (words := remark(one))]
    if remarks:
        blocks.append(Items(remarks))
    if words := goodput_words(summary.goodput):
        blocks.append(Paragraph(words))
    return Section("Service level objectives", blocks, id="slo", look=LOOKS[worst(summary.slo)])


MARKS = {MISSED: "✗", UNDECIDED: "?", MET: "✓"}


def slo_marks(run: Run, summary: Summary) -> list[tuple[str, str]]:
    """(look, words) of each SLO, for the row below the headline; nothing of a search, whose levels are judged."""
    if run.manifest.capacity is not None:
        return []
    return [
        (
            "warn" if one.verdict == MET and one.sure is False else LOOKS[one.verdict],
            " ".join(filter(None, (MARKS[one.verdict], one.slo, sure_words(one) and f"({sure_words(one)})"))),
        )
        for one in summary.slo
        if one.verdict != PART
    ]


def cards(run: Run, summary: Summary) -> Section | None:
    """The headline numbers, each with the interval it may be believed to.

    Of a search or a sweep only failures and stalls: a percentile over levels of different load means nothing.
    """
    if not summary.succeeded:
        return None
    stalls, failed, rates = summary.stalls, summary.failures, summary.of_window
    ends = [f"95 %: {range_words(rates.tokens_interval)}"] if rates.tokens_interval else []
    longest = f"longest silence {seconds(summary.of_whole_run('max_gap_ms').max)}"
    found = [
        *(_measured(summary, one, name) for one in metrics_in(View.CARDS) for name in one.shown[View.CARDS]),
        Card("output of the server", number(rates.tokens_per_s), " tokens/s", [*ends, summary.window.name]),
    ]
    if (load := run.manifest.load) is not None and load.in_parts:
        found = []
    found += [
        Card(
            "failed turns",
            f"{failed:,}",
            f" of {summary.turns:,}",
            ["of all held" if failed else "every one good"],
            "bad" if failed else "good",
        ),
        Card(
            "replies with a stall",
            share(stalls.replies, summary.succeeded),
            "",
            [longest],
            "warn" if stalls.count else "",
        ),
    ]
    return Section("", [Cards(found)])


_CARD_NOTES: dict[str, Callable[[Summary], str]] = {
    "first_byte_ms": lambda summary: "what JMeter calls Latency",
    "felt_tokens_per_s": lambda summary: (
        f"slowest turn {number(summary.of_whole_run('felt_tokens_per_s').min)}"
    ),
}


def _measured(summary: Summary, one: Metric, name: str) -> Card:
    found = summary.metric(one.key)
    interval = found.interval_of(name)
    note = _CARD_NOTES.get(one.key)
    lines = [
        summary.window.no_interval if interval is None else f"95 %: {range_words(interval)}",
        summary.window.name,
        *([note(summary)] if note else []),
    ]
    return Card(f"{one.label} {name}", statistic(found, name), f" {one.unit}", lines)


def plan(run: Run, summary: Summary) -> Section:
    """What was planned, against whom, when, and how long it took."""
    manifest = run.manifest
    pairs = [
        *([("Label", one_line(manifest.label, 200))] if manifest.label else []),
        ("Plan", one_line(manifest.plan_sentence or "not recorded", 500)),
        *_servers(run),
        *_left_out(run, summary),
        *_echoes(summary),
        *_same_answers(summary),
        *_addresses(summary),
        ("Started", one_line(manifest.started_utc or "?", 30)),
        ("Length", f"{number(summary.throughput.seconds)} s from first due to last end"),
        ("Tokens by", _counted(summary.token_sources)),
        ("Stamps by", _counted(summary.stamp_sources)),
        ("Run folder", one_line(run.folder.name, 200)),
    ]
    return Section("Plan", [Facts(pairs)], id="plan")


def _servers(run: Run) -> list[tuple[str, str]]:
    """What each server is and the model asked there; of several also the user classes that ask it."""
    servers = run.manifest.servers
    rows = []
    for one in servers:
        users = f" of {one_line(listed(one.classes), 80)}" if len(servers) > 1 and one.classes else ""
        dialect = f", dialect {one.dialect}" if one.dialect else ""
        where = f"{one_line(one.words or 'unknown server', 120)} at {one_line(one.host or '?', 200)}"
        rows += [
            (f"Server{users}", f"{where}{dialect}"),
            (f"Model{users}", one_line(one.model or "not named", 120)),
        ]
    return rows


def _left_out(run: Run, summary: Summary) -> list[tuple[str, str]]:
    """The turns of the warm-up, and how many of them failed."""
    if not summary.warmup:
        return []
    failed = sum(turn.failed for turn in run.warmup)
    told = f", {failed:,} of which failed" if failed else ""
    plan = run.manifest.plan
    by = f" ({plan.warmup.words})" if plan is not None and plan.warmup else ""
    return [("Warm-up", f"{plural(summary.warmup, 'turn')}{by}, left out of every figure{told}")]


def _same_answers(summary: Summary) -> list[tuple[str, str]]:
    """Whether answers changed under load."""
    found = summary.same_answers
    return [] if found is None else [("Same answers", same_answers_words(found))]


def _echoes(summary: Summary) -> list[tuple[str, str]]:
    """Whose references replies held."""
    if not summary.echoes:
        return []
    own, none, other = (summary.echoes.get(one, 0) for one in ("own", "none", "other"))
    words = f"{own:,} held their own, {other:,} another user's, {none:,} none (nothing is known of these)"
    return [("References", words)]


def _addresses(summary: Summary) -> list[tuple[str, str]]:
    """The turns of each address of the server's name, where it has several."""
    found = summary.connections.addresses
    return [("Turns by address", _counted(found))] if found else []


def _counted(sources: dict[str, int]) -> str:
    return ", ".join(f"{one_line(name, 30)} {n:,}" for name, n in sources.items()) or "–"


def pictures(run: Run, summary: Summary) -> Section:
    """Where the page puts its pictures."""
    return Section("Pictures", [], id="pictures")


def manifest(run: Run, summary: Summary) -> Section:
    """Under which conditions the run was made, in full."""
    words = msgspec.json.format(msgspec.json.encode(run.manifest), indent=2).decode()
    return Section("Manifest", [Details("All conditions of the run", [(words, False)])], id="manifest")


def definitions(run: Run | None = None, summary: Summary | None = None) -> Section:
    """How each number is defined: the metrics by their table."""
    metrics = [
        (one.label, "; ".join(filter(None, (one.formula, one.note)))) for one in metrics_in(View.TABLE)
    ]
    note = Paragraph("In full, with formulas and sources: docs/metrics.md of chatload.", note=True)
    return Section(
        "How each number is defined", [Facts([*metrics, *DEFINED]), note], id="definitions", text=False
    )
