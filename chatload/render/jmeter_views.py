"""What JMeter's three listeners show: aggregate report, slowest turns, replies in full."""

from __future__ import annotations

from collections.abc import Callable
from heapq import nlargest
from operator import itemgetter

from chatload.analysis.distribution import describe
from chatload.model.metrics import e2e_ms, felt_tokens_per_s, first_byte_ms, ttft_ms
from chatload.model.sanitize import one_line, plain
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.render.blocks import Block, Details, Heading, Paragraph, Section, Table
from chatload.render.text_table import ABSENT, number, seconds, share, statistic
from chatload.store.journal import Run

SLOWEST = 5
SLOWEST_BY = (("first byte", first_byte_ms), ("TTFT", ttft_ms))
SAMPLES, SAMPLE_CHARACTERS = 4, 3000


def aggregate_report(run: Run, summary: Summary) -> Section | None:
    """JMeter's Aggregate Report, one row: all samples, failures too, elapsed = the whole turn; the slowest turns.

    The slowest are JMeter's View Results in Table, by first byte, which it calls Latency, and by TTFT.
    """
    turns = [turn for turn in run.turns if turn.counts]
    if not turns:
        return None
    elapsed = describe((turn.end_ns - (turn.sent_ns or turn.due_ns)) / 1e6 for turn in turns)
    length_s, kilobytes = summary.throughput.seconds, sum(turn.bytes for turn in turns) / 1024
    rows = [
        ["turns", "mean", "median", "90 %", "95 %", "99 %", "min", "max", "failed", "turns/s", "KB/s"],
        [
            f"{len(turns):,}",
            *(statistic(elapsed, name) for name in ("mean", "p50", "p90", "p95", "p99", "min", "max")),
            share(summary.failures, len(turns)),
            number(len(turns) / length_s if length_s else None),
            number(kilobytes / length_s if length_s else None),
        ],
    ]
    blocks: list[Block] = [Table(rows, left=0, caption="Whole turns in ms, failed ones included")]
    before: list[list[str]] = []
    for words, of in SLOWEST_BY:
        slowest = _slowest(run, of)
        if slowest and slowest == before:
            blocks.append(Paragraph(f"The slowest by {words} are the same turns.", note=True))
        elif slowest:
            blocks += [Heading(f"Slowest good turns by {words}"), Table(slowest, left=0)]
        before = slowest
    return Section("Aggregate report", blocks, id="aggregate")


def _slowest(run: Run, of: Callable[[Turn], float | None]) -> list[list[str]]:
    """Head and the slowest good turns, the worst first; nothing where no turn has the number."""
    timed = ((value, turn) for turn in run.turns if turn.ok and (value := of(turn)) is not None)
    slowest = nlargest(SLOWEST, timed, key=itemgetter(0))  # of equal ones the first
    if not slowest:
        return []
    head = ["user", "turn", "at s", "first byte ms", "TTFT ms", "E2E ms", "tokens", "tokens/s", "request"]
    return [head, *(_row(turn, run.turns[0].due_ns) for _, turn in slowest)]


def _row(turn: Turn, start_ns: int) -> list[str]:
    return [
        f"{turn.user}",
        f"{turn.turn}",
        f"{((turn.sent_ns or turn.due_ns) - start_ns) / 1e9:.1f}",
        *(number(of(turn)) for of in (first_byte_ms, ttft_ms, e2e_ms)),
        f"{turn.tokens:,}" if turn.tokens is not None else ABSENT,
        number(felt_tokens_per_s(turn)),
        one_line(turn.request_id, 12),
    ]


def samples(run: Run, summary: Summary) -> Section | None:
    """JMeter's View Results Tree: a few replies in full. Are they right?"""
    if not summary.succeeded:
        return None
    kept = [turn for turn in run.turns if turn.ok and turn.text][:SAMPLES]
    blocks: list[Block] = [_sample(turn, i == 0) for i, turn in enumerate(kept)]
    return Section("Sample replies", blocks or [Paragraph("None was kept (see --keep-text).")], id="samples")


def _sample(turn: Turn, opened: bool) -> Details:
    said = plain(turn.text or "").strip("\n")
    if len(said) > SAMPLE_CHARACTERS:
        more = f"{len(said) - SAMPLE_CHARACTERS:,} more characters in the journal, turn {one_line(turn.turn_id, 60)}"
        said = f"{said[:SAMPLE_CHARACTERS]}\n… {more}"
    title = (
        f"User {turn.user} turn {turn.turn}: {plural(turn.tokens or 0, 'token')}, TTFT {seconds(ttft_ms(turn))}, "
        f"finish {one_line(turn.finish or 'none', 30)}"
    )
    asked = [(plain(turn.prompt)[:SAMPLE_CHARACTERS], False)] if turn.prompt else []
    return Details(title, [*asked, (said, True)], opened)
