"""JMeter's three listeners in our words: aggregate report, slowest turns, one reply in full."""

from __future__ import annotations

from collections.abc import Callable

from chatload.analysis.distribution import describe
from chatload.model.metrics import e2e_ms, felt_tokens_per_s, first_byte_ms, ttft_ms
from chatload.model.sanitize import one_line, plain
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.render.text_table import indented, number, plural, seconds, section, share, statistic, table
from chatload.store.journal import Run

SLOWEST = 5
SLOWEST_BY = (("first byte", first_byte_ms), ("TTFT", ttft_ms))
ELAPSED = "whole turns in ms, failed ones included"
SAMPLE_LINES = 40


def aggregate_report(run: Run, summary: Summary) -> list[str]:
    """JMeter's Aggregate Report, one row: all samples, failures too, elapsed = the whole turn."""
    rows = aggregate_rows(run, summary)
    return section(f"Aggregate report: {ELAPSED}", table(rows, left=0, gap=1)) if rows else []


def aggregate_rows(run: Run, summary: Summary) -> list[list[str]]:
    """Head and the one row of the aggregate report; nothing without turns."""
    turns = [turn for turn in run.turns if turn.counts]
    if not turns:
        return []
    elapsed = describe((turn.end_ns - (turn.sent_ns or turn.due_ns)) / 1e6 for turn in turns)
    length_s, kilobytes = summary.throughput.seconds, sum(turn.bytes for turn in turns) / 1024
    return [
        ["turns", "mean", "median", "90 %", "95 %", "99 %", "min", "max", "failed", "turns/s", "KB/s"],
        [
            f"{len(turns):,}",
            *(statistic(elapsed, name) for name in ("mean", "p50", "p90", "p95", "p99", "min", "max")),
            share(summary.failures, len(turns)),
            number(len(turns) / length_s if length_s else None),
            number(kilobytes / length_s if length_s else None),
        ],
    ]


def slowest_turns(run: Run, summary: Summary) -> list[str]:
    """JMeter's View Results in Table, the largest only: by first byte, which it calls Latency, and by TTFT."""
    lines = []
    for words, of in SLOWEST_BY:
        rows = slowest_rows(run, of)
        if rows:
            lines += section(f"Slowest good turns by {words}", table(rows, left=0, gap=1))
    return lines


def slowest_rows(run: Run, of: Callable[[Turn], float | None]) -> list[list[str]]:
    """Head and the slowest good turns, the worst first; nothing where no turn has the number."""
    timed = [(value, turn) for turn in run.turns if turn.ok and (value := of(turn)) is not None]
    timed.sort(key=lambda pair: -pair[0])
    if not timed:
        return []
    head = ["user", "turn", "at s", "first byte ms", "TTFT ms", "E2E ms", "tokens", "tokens/s", "request"]
    return [head, *(_row(turn, run.turns[0].due_ns) for _, turn in timed[:SLOWEST])]


def _row(turn: Turn, start_ns: int) -> list[str]:
    formulas: tuple[Callable[[Turn], float | None], ...] = (first_byte_ms, ttft_ms, e2e_ms)
    return [
        f"{turn.user}",
        f"{turn.turn}",
        f"{((turn.sent_ns or turn.due_ns) - start_ns) / 1e9:.1f}",
        *(number(of(turn)) for of in formulas),
        f"{turn.tokens:,}" if turn.tokens is not None else "–",
        number(felt_tokens_per_s(turn)),
        one_line(turn.request_id, 12),
    ]


def sample_reply(run: Run, summary: Summary) -> list[str]:
    """JMeter's View Results Tree: are the replies right? One in full."""
    turn = next((turn for turn in run.turns if turn.ok and turn.text), None)
    if turn is None:
        return section("Sample reply", ["none was kept (see --keep-text)"]) if summary.succeeded else []
    finish = one_line(turn.finish or "none", 30)
    title = (
        f"Sample reply: user {turn.user} turn {turn.turn}, {plural(turn.tokens or 0, 'token')}, "
        f"TTFT {seconds(ttft_ms(turn))}, finish {finish}"
    )
    lines = indented(one_line(turn.prompt, 1000), "  > ") if turn.prompt else []
    reply = indented(plain(turn.text or "").strip("\n"), "  | ", "  | ")
    if len(reply) > SAMPLE_LINES:
        reply = [
            *reply[:SAMPLE_LINES],
            f"  … {len(reply) - SAMPLE_LINES:,} more lines: in the journal, “text” of",
        ]
        reply.append(f"    turn_id {one_line(turn.turn_id, 60)}")
    return ["", *indented(title, "", "  "), *lines, *(line.rstrip() for line in reply)]
