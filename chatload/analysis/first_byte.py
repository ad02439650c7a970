"""Whether the first byte of replies, which JMeter calls Latency, is their first token; else what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.store.journal import Run

APART_MS, APART_SHARE, FAR_MS = 20.0, 0.5, 1000.0
"""The first token so long after the first byte, and by half of TTFT or by 1 s, is no longer what JMeter shows."""
MANY, LEAST = 0.1, 2
"""Share of the good replies, and number, from which it is said."""
SAME_READ_MS = 1.0
"""An event later than the first byte by more than this did not come with it: the first byte was none of an event."""


def first_byte(run: Run, summary: Summary) -> Iterator[str]:
    """That first byte and first token differ in many turns, and what the first byte was."""
    good = [
        turn for turn in run.turns if turn.ok and turn.first_token_ns and turn.first_byte_ns and turn.sent_ns
    ]
    apart = [turn for turn in good if _is_apart(_apart_ms(turn), _ttft_ms(turn))]
    if len(apart) < max(LEAST, MANY * len(good)):
        return
    earlier = median(map(_apart_ms, apart))
    yield (
        f"In {len(apart):,} of {plural(len(good), 'good reply')} the first byte is not the first token: it came "
        f"{_time(earlier)} before it (median) and was {_what(apart)}. JMeter calls it Latency"
        f"{_beside(summary)}; users wait for the token."
    )


def _is_apart(apart_ms: float, ttft_ms: float) -> bool:
    return apart_ms > APART_MS and (apart_ms > APART_SHARE * ttft_ms or apart_ms > FAR_MS)


def _what(turns: Sequence[Turn]) -> str:
    """A comment of server-sent events, or an event that nobody can see."""
    comments = sum(
        turn.first_event_ns is not None
        and (turn.first_event_ns - (turn.first_byte_ns or 0)) / 1e6 > SAME_READ_MS
        for turn in turns
    )
    event = "an event without text (in a chat stream the one with the role)"
    if comments in (0, len(turns)):
        return "a keep-alive comment" if comments else event
    return f"a keep-alive comment ({comments:,}) or {event} ({len(turns) - comments:,})"


def _beside(summary: Summary) -> str:
    """Both at the highest percentile that there are turns enough for."""
    byte, token = summary.of_whole_run("first_byte_ms"), summary.of_whole_run("ttft_ms")
    name = next((name for name in ("p95", "p50") if name not in (*byte.too_small, *token.too_small)), "")
    first, ttft = (byte.statistic(name), token.statistic(name)) if name else (None, None)
    if first is None or ttft is None:
        return ""
    return f" ({name} {first:,.0f} ms, TTFT {ttft:,.0f} ms)"


def _apart_ms(turn: Turn) -> float:
    return ((turn.first_token_ns or 0) - (turn.first_byte_ns or 0)) / 1e6


def _ttft_ms(turn: Turn) -> float:
    return ((turn.first_token_ns or 0) - (turn.sent_ns or 0)) / 1e6


def _time(ms: float) -> str:
    return f"{ms:,.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"
