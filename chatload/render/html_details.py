"""The lower parts of report.html: stalls, sample replies, plan, manifest, and how each number is defined."""

from __future__ import annotations

import msgspec

from chatload.analysis.series import start_ns
from chatload.analysis.swim_lanes import stall_spans
from chatload.model.metrics import ttft_ms
from chatload.model.sanitize import one_line, plain
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.render.blocks import Block, Details, Facts, Paragraph, Section, Table
from chatload.render.text_table import number, plural, seconds, share
from chatload.store.journal import Run

LONGEST_STALLS = 8
SAMPLES, SAMPLE_CHARACTERS = 4, 3000

DEFINITIONS = (
    (
        "TTFT",
        "sent → first event with visible text (content, reasoning or tool call). A role-only event is no token.",
    ),
    ("first byte", "sent → first byte of the reply’s body. JMeter calls it Latency; users cannot read it."),
    ("E2E", "sent → last token-bearing event."),
    (
        "TPOT",
        "(last token − first token) / (n − tokens of the first event); absent where nothing follows the first.",
    ),
    ("decode speed", "1 / TPOT: how fast text flows once it flows."),
    ("felt speed", "n / E2E: the wait counts too. Its minimum is the “lowest speed” of benchmark tables."),
    ("event gap", "time between consecutive token-bearing events; an event may bring several tokens."),
    ("stall", "a gap over 1 s, or over 5 × the reply’s median gap and 0.2 s."),
    (
        "n (tokens)",
        "the server’s own usage, else its per-event counts, else events; the source is named above.",
    ),
    (
        "good turn",
        "2xx, no error inside the stream, an end mark, a complete HTTP message. All else is failed.",
    ),
    ("all users in", "from the last user’s arrival to the first user’s departure."),
    ("interval", "95 %, from order statistics and the binomial law, without an assumption on the shape."),
)
"""In short what docs/metrics.md says in full."""


def stalls(run: Run, summary: Summary) -> Section | None:
    """How often the text stood still, and where it did longest."""
    found = summary.stalls
    if not summary.succeeded:
        return None
    rule, waited = found.rule, found.reading_underrun_ms
    limits = f"over {rule.limit_s:g} s, or {rule.factor:g} × the reply’s median gap and {rule.floor_s:g} s"
    hit = "None"
    if found.count:
        replies = f"{plural(found.replies, 'reply')} ({share(found.replies, summary.succeeded)})"
        hit = f"{plural(found.count, 'stall')} in {replies}, the longest {seconds(found.longest_ms)}"
    reader = (f"After the first token a reader of {found.reader_tokens_per_s:g} tokens/s waits "
              f"{seconds(waited.mean)} in the mean, at most {seconds(waited.max)}.")  # fmt: skip
    blocks: list[Block] = [Paragraph(f"{hit}. {reader}"), Paragraph(f"A stall is a gap {limits}.", note=True)]
    zero = start_ns(run)
    spans = [
        (end - start, start, turn) for turn in run.turns if turn.ok for start, end in stall_spans(turn, zero)
    ]
    if spans:
        spans.sort(key=lambda span: -span[0])
        rows: list[list[object]] = [["gap", "at s", "user", "turn", "request"]]
        rows += [[seconds(1000 * gap), f"{at:.1f}", f"{turn.user}", f"{turn.turn}", one_line(turn.request_id, 40)]
                 for gap, at, turn in spans[:LONGEST_STALLS]]  # fmt: skip
        blocks.append(Table(rows, left=0, caption="The longest"))
    return Section("Stalls", blocks, id="stalls")


def samples(run: Run, summary: Summary) -> Section | None:
    """A few replies in full: are they right?"""
    kept = [turn for turn in run.turns if turn.ok and turn.text][:SAMPLES]
    if not kept:
        return None
    return Section("Sample replies", [_sample(turn, i == 0) for i, turn in enumerate(kept)], id="samples")


def _sample(turn: Turn, opened: bool) -> Details:
    said = plain(turn.text or "").strip("\n")
    if len(said) > SAMPLE_CHARACTERS:
        said = (
            f"{said[:SAMPLE_CHARACTERS]}\n… {len(said) - SAMPLE_CHARACTERS:,} more characters in the journal"
        )
    title = (
        f"User {turn.user} turn {turn.turn}: {plural(turn.tokens or 0, 'token')}, TTFT {seconds(ttft_ms(turn))}, "
        f"finish {one_line(turn.finish or 'none', 30)}"
    )
    asked = [(plain(turn.prompt)[:SAMPLE_CHARACTERS], False)] if turn.prompt else []
    return Details(title, [*asked, (said, True)], opened)


def plan(run: Run, summary: Summary) -> Section:
    """What was planned, against whom, and how long it took."""
    manifest, server = run.manifest, run.manifest.server
    dialect = f", dialect {server.dialect}" if server.dialect else ""
    where = f"{one_line(server.words or 'unknown server', 120)} at {one_line(server.host or '?', 200)}"
    counted = ", ".join(f"{one_line(name, 30)} {n:,}" for name, n in summary.token_sources.items())
    stamped = ", ".join(f"{one_line(name, 30)} {n:,}" for name, n in summary.stamp_sources.items())
    pairs = [
        ("Plan", one_line(manifest.plan_sentence or "not recorded", 500)),
        ("Server", f"{where}{dialect}"),
        ("Model", one_line(server.model or "not named", 120)),
        ("Length", f"{number(summary.throughput.seconds)} s from first due to last end"),
        ("Tokens by", counted or "–"),
        ("Stamps by", stamped or "–"),
        ("Run folder", one_line(run.folder.name, 200)),
    ]
    return Section("Plan", [Facts(pairs)], id="plan")


def manifest(run: Run, summary: Summary) -> Section:
    """Under which conditions the run was made, in full."""
    words = msgspec.json.format(msgspec.json.encode(run.manifest), indent=2).decode()
    return Section("Manifest", [Details("All conditions of the run", [(words, False)])], id="manifest")


def definitions() -> Section:
    """How each number is defined."""
    note = "In full, with formulas and sources: docs/metrics.md of chatload."
    return Section(
        "How each number is defined", [Facts(DEFINITIONS), Paragraph(note, note=True)], id="definitions"
    )
