"""Warnings of what the load generator itself did to a run: late sends, lag, marks, stamps; and who packs events."""

from __future__ import annotations

from collections.abc import Iterator

from chatload.analysis.generator_load import (
    LAGGING_P99_MS,
    PACKED_SHARE,
    busiest_percent,
    packed_share,
    remedy,
    worst_lag_ms,
)
from chatload.analysis.held_streams import is_held
from chatload.analysis.mark_bounds import SPOILING, UNCERTAIN
from chatload.analysis.validity import bound_words, moves
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.store.journal import Run

LATE_MS = 20.0
"""A send later than this after its due time is late: 1 % of the article's 2 s pause."""
LATE_SHARE = 0.01
"""Share of late sends beyond which the plan was not kept."""
BUSY_CPU_PERCENT = 90.0
"""A process that takes so much of its core at its worst second is about to fall behind."""


def sends_were_late(summary: Summary) -> bool:
    """True where a turn was sent later than `LATE_MS` after it was due."""
    late = summary.of_whole_run("late_ms").max
    return late is not None and late > LATE_MS


def late_sends(run: Run, summary: Summary) -> Iterator[str]:
    """That more than 1 % of the sends were late by our fault; what is late is counted, so that any n supports it."""
    late, counted = _late_of_all(run)
    if late:
        # Of a run that is not trustworthy the remedy is said before all warnings.
        cure = f" {remedy(run)}" if summary.validity.trustworthy else ""
        yield (
            f"Sends were late: {len(late):,} of {counted:,} by more than {LATE_MS:.0f} ms, at most "
            f"{max(late):,.0f} ms. The load generator did not keep the plan.{cure}"
        )


def _late_of_all(run: Run) -> tuple[list[float], int]:
    """(by how many ms the late sends were late, all sends); no late ones where they are too few to be told."""
    counted = [turn for turn in run.turns if turn.counts]
    late = [ms for turn in counted if (ms := _late_ms(turn)) > LATE_MS]
    return late if len(late) > max(1.0, LATE_SHARE * len(counted)) else [], len(counted)


def _late_ms(turn: Turn) -> float:
    """How late its first try was sent, the time to connect apart; 0 where that is not known."""
    if turn.sent_ns is None or turn.retried or turn.refusals:
        return 0.0
    return (turn.sent_ns - turn.due_ns) / 1e6 - (turn.connect_ms or 0.0) - (turn.tls_ms or 0.0)


def held_up(run: Run, summary: Summary) -> Iterator[str]:
    """That the event loop lagged, or else that a process nearly filled its core."""
    lag_ms, busy = worst_lag_ms(run), busiest_percent(run) or 0.0
    said = not summary.validity.trustworthy or _late_of_all(run)[0]  # before all warnings, or by `late_sends`
    cure = "" if said else f" {remedy(run, lag_is_said=True)}"
    if lag_ms > LAGGING_P99_MS:
        yield (
            f"The load generator was held up for {lag_ms:.0f} ms (p99 of its worst second), so sends and user-space "
            f"stamps can be that much off.{cure}"
        )
    elif busy > BUSY_CPU_PERCENT:
        yield f"A load generator process used {busy:.0f} % of its core at its worst.{cure}"


def marks(run: Run, summary: Summary) -> Iterator[str]:
    """Which marks turns have, and between which values the figures lie because of those."""
    for mark, n in summary.marks.items():
        words = f" ({SPOILING[mark]})" if mark in SPOILING else ""
        yield f"{plural(n, 'turn')} marked “{one_line(mark, 60)}”{words}, in the field marks of the journal's lines."
    validity = summary.validity
    bounds = [one for one in validity.bounds if one.metric == "ttft_ms" or moves(one)]
    if bounds:
        turns = plural(validity.turns, "turn") + ("'s" if validity.turns == 1 else "'")
        what = "; ".join(f"{n:,} of {turns} {UNCERTAIN[mark]}" for mark, n in validity.marks.items())
        yield f"{what}: {', '.join(map(bound_words, bounds))}."


def packed(run: Run, summary: Summary) -> Iterator[str]:
    """That events came several in a read: the server's doing where we read in time, else perhaps ours."""
    share, lag_ms = packed_share(run), worst_lag_ms(run)
    if share <= PACKED_SHARE or is_held(summary):  # said of the proxy already
        return
    if lag_ms > LAGGING_P99_MS:
        why = f"The load generator read late (held up for {lag_ms:.0f} ms), or the server or a proxy sends in bursts"
    else:
        why = "The server or a proxy sends in bursts"
    yield (
        f"{share:.0%} of the events came in one read with the event before, so their gaps read 0. "
        f"{why}: single gaps are the sender's, not the model's. {_first_reads(run)}"
    )


def _first_reads(run: Run) -> str:
    """How many tokens came with the first one: those that waited for the first read to go out."""
    first = [turn.first_read_tokens for turn in run.turns if turn.ok and turn.first_read_tokens]
    if not first:
        return "TPOT is taken over all of a reply's bursts."
    return (
        f"In {plural(len(first), 'turn')} the first token came with others (up to {max(first):,} a read): TTFT "
        "may be late by the time they were held; TPOT leaves them out."
    )


def user_space_stamps(run: Run, summary: Summary) -> Iterator[str]:
    """That arrival times hold our own lag."""
    user = sum(n for source, n in summary.stamp_sources.items() if source != "kernel")
    if user:
        who = "All arrival times" if user == summary.succeeded else f"Arrival times of {plural(user, 'turn')}"
        yield (
            f"{who} were taken in user space (TLS, or no kernel stamps here): the generator's own "
            "lag is inside them; hold them against its health lines."
        )
