"""Warnings of what the load generator itself did to a run: late sends, lag, marks, stamps; and who packs events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chatload.analysis.generator_load import (
    LAGGING_P99_MS,
    PACKED_SHARE,
    busiest_percent,
    packed_share,
    remedy,
    worst_lag_ms,
)
from chatload.analysis.held_streams import is_held
from chatload.analysis.mark_bounds import LATENESS, SPOILING
from chatload.analysis.validity import bound_words, moves
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.model.words import listed, percent, plural
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


def slow_generator(run: Run, summary: Summary) -> Iterator[str]:
    """That the load generator was late: why, what to do, and all that it makes doubtful, in one warning."""
    late, counted = _late_of_all(run)
    lag_ms, busy = worst_lag_ms(run), busiest_percent(run) or 0.0
    sends = ""
    if late:
        sends = f"{len(late):,} of {counted:,} by more than {LATE_MS:.0f} ms, at most {max(late):,.0f} ms"
    if lag_ms > LAGGING_P99_MS:
        cause = (
            f"The load generator was held up for {lag_ms:,.0f} ms (p99 of its worst second), so sends and user-space "
            "stamps can be that much off."
        )
    elif busy > BUSY_CPU_PERCENT:
        cause = f"A load generator process used {busy:.0f} % of its core at its worst."
    elif late:
        cause, sends = f"Sends were late: {sends}. The load generator did not keep the plan.", ""
    else:
        yield from (f"{words}." for words in _marked(summary, summary.marks))
        return
    # Of a run that is not trustworthy the remedy is said before all warnings.
    cure = f" {remedy(run, lag_is_said=lag_ms > LAGGING_P99_MS)}" if summary.validity.trustworthy else ""
    doubtful = [f"sends were late: {sends}"] if sends else []
    caused = {mark: n for mark, n in summary.marks.items() if mark in LATENESS}
    doubtful += _marked(summary, caused)
    if lag_ms > LAGGING_P99_MS and (stamps := _user_space(summary)):
        doubtful.append(f"{stamps[0].lower()}{stamps[1:]}")
    what = f" What that makes doubtful: {'; '.join(doubtful)}." if doubtful else ""
    yield f"{cause}{cure}{what}"
    others = {mark: n for mark, n in summary.marks.items() if mark not in caused}
    yield from (f"{words}." for words in _marked(summary, others, bounds=not caused))


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


def _marked(summary: Summary, marks: Mapping[str, int], bounds: bool = True) -> list[str]:
    """How many turns have these marks, and, with `bounds`, the bounds of figures by all marks; empty without marks."""
    named = [
        f"“{one_line(mark, 60)}”" + (f" ({SPOILING[mark]})" if mark in SPOILING else "") for mark in marks
    ]
    if not named:
        return []
    counts = [plural(n, "turn") if place == 0 else f"{n:,}" for place, n in enumerate(marks.values())]
    turns = listed([f"{count} marked {words}" for count, words in zip(counts, named, strict=True)])
    validity = summary.validity
    moved = [
        bound_words(one) for one in validity.bounds if bounds and (one.metric == "ttft_ms" or moves(one))
    ]
    figures = f", so of {plural(validity.turns, 'turn')} {', '.join(moved)}" if moved else ""
    return [f"{turns}, in the field marks of the journal's lines{figures}"]


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
        f"{percent(share)} of the events came in one read with the event before, so their gaps read 0. "
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
    """That arrival times hold our own lag, where `slow_generator` does not tell it beside a lag."""
    if worst_lag_ms(run) <= LAGGING_P99_MS and (stamps := _user_space(summary)):
        yield f"{stamps}: the generator's own lag is inside them; hold them against its health lines."


def _user_space(summary: Summary) -> str:
    """Which arrival times are no kernel's; empty where there are none."""
    user = sum(n for source, n in summary.stamp_sources.items() if source != "kernel")
    who = "All arrival times" if user == summary.succeeded else f"Arrival times of {plural(user, 'turn')}"
    return f"{who} were taken in user space (TLS, or no kernel stamps here)" if user else ""
