"""Streams that a proxy in between holds: how they are told, and what is to be set there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from chatload.analysis.generator_load import LAGGING_P99_MS, worst_lag_ms
from chatload.model.held_stream import HELD_SHARE, bursts
from chatload.model.metrics import e2e_ms, first_byte_ms
from chatload.model.summary import HeldStreams, Summary
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.store.journal import Run

REMEDY = (
    "Set “proxy_buffering off” (nginx, or have the server send X-Accel-Buffering: no), “option http-no-delay” "
    "(haproxy), flushpackets=on (Apache), flush_interval -1 (Caddy), and no compression of text/event-stream there; or "
    "test the server itself."
)
BUFFERS = (4096, 8192, 16384, 32768, 65536)
NEAR = 0.1


def held_streams(good: Sequence[Turn]) -> HeldStreams | None:
    """What good turns tell of held streams; None where none was held."""
    told = [(turn, one) for turn in good if (one := turn.held) is not None]
    found = [turn for turn, one in told if one]
    if not found:
        return None
    arrivals = sum(map(bursts, found))
    later = arrivals - len(found)
    waited_ns = sum((turn.last_token_ns or 0) - (turn.first_token_ns or 0) for turn in found)
    spans = [
        e2e / first
        for turn in found
        if (e2e := e2e_ms(turn)) and (first := first_byte_ms(turn)) and first > 0
    ]
    return HeldStreams(
        replies=len(found),
        judged=len(told),
        events=sum(turn.events for turn in found) / arrivals,
        bytes=fmean(turn.bytes / bursts(turn) for turn in found),
        apart_ms=waited_ns / 1e6 / later if later else None,
        span=median(spans) if spans else None,
    )


def is_held(summary: Summary) -> bool:
    """Whether so many replies were held that the run's figures of single tokens are the proxy's."""
    return summary.held is not None and summary.held.share > HELD_SHARE


def held_words(found: HeldStreams) -> str:
    """How the replies came: in bursts of so many events. One burst is as long as the reply, not as a buffer."""
    signs, size = [f"bursts of {plural(round(found.events), 'event')}"], None
    if found.apart_ms is not None:
        signs.append(f"{found.apart_ms:,.0f} ms apart")
        size = next((each for each in BUFFERS if abs(found.bytes - each) <= NEAR * each), None)
    signs.append(f"{found.bytes:,.0f} bytes each" + (f", as a buffer of {size:,}" if size else ""))
    if found.span is not None and found.span < 1 + NEAR:
        signs.append("first byte, TTFT and E2E at about the same time")
    return f"{found.replies:,} of {plural(found.judged, 'reply')} came in {', '.join(signs)}"


def proxies(run: Run, summary: Summary) -> Iterator[str]:
    """That a proxy holds the stream, what cannot be told then, and what to set."""
    found = summary.held
    if found is None:
        return
    late_ms = worst_lag_ms(run)
    who = "A proxy in between (or the server) holds the stream"
    if late_ms > LAGGING_P99_MS:
        who += f", unless the load generator read late (held up for {late_ms:,.0f} ms)"
    if is_held(summary):
        yield (
            f"{who}: {held_words(found)}. TPOT, speeds, gaps and stalls are not measurable here, and SLOs on them are "
            f"not passed; TTFT and E2E are those behind it. {REMEDY}"
        )
    else:
        yield f"{who} at times: {held_words(found)}. TPOT, speeds, gaps and stalls are of the other replies. {REMEDY}"
