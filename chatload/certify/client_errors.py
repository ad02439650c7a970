"""Joins the client's times with the log of the fixed-rate server, request by request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from chatload.analysis.quantiles import percentile
from chatload.model.certificate import ErrorSpread
from chatload.model.turn import Turn


@dataclass(frozen=True, slots=True)
class Served:
    """One answer as the server logged it; instants are ns of the host's one monotonic clock."""

    received_ns: int
    tokens_sent_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer as a client reports it."""

    sent_ns: int
    first_token_ns: int
    last_token_ns: int
    gaps: int
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Errors:
    """The client's errors of one answer: its value minus the server's.

    ttft_ms = request_ms + arrival_ms. `request_ms` is the time from the client's `sent` to the server's read of the
    request, `arrival_ms` the time from the server's write of the first token to its arrival time in the client. Both
    include the way over the loopback, the first also the server's delay. `gap_ms` is the error of the mean gap,
    `speed_percent` that of tokens/s.
    """

    ttft_ms: float
    request_ms: float
    arrival_ms: float
    last_ms: float
    gap_ms: float | None
    speed_percent: float | None
    marks: tuple[str, ...]


def served(path: Path) -> dict[str, Served]:
    """The complete answers of a server log with at least one token, by request id."""
    found: dict[str, Served] = {}
    with open(path, "rb") as file:
        for raw in file:
            line = orjson.loads(raw)
            if line.get("kind") != "request" or line.get("ended") != "complete":
                continue
            events = line["events"]
            sent = tuple(
                at for at, tokens in zip(events["sent_ns"], events["tokens"], strict=True) if tokens > 0
            )
            if sent and line.get("request_id"):
                found[line["request_id"]] = Served(line["received_ns"], sent)
    return found


def heard(turns: Iterable[Turn]) -> dict[str, Heard]:
    """The good turns by request id."""
    return {
        turn.request_id: Heard(
            turn.sent_ns, turn.first_token_ns, turn.last_token_ns, len(turn.gaps_us), turn.marks
        )
        for turn in turns
        if turn.ok and turn.sent_ns and turn.first_token_ns and turn.last_token_ns
    }


def errors(said: Mapping[str, Heard], truth: Mapping[str, Served]) -> list[Errors]:
    """One `Errors` for each answer that both sides know."""
    return [_errors(answer, truth[name]) for name, answer in said.items() if name in truth]


def _errors(said: Heard, was: Served) -> Errors:
    first, last = was.tokens_sent_ns[0], was.tokens_sent_ns[-1]
    request_ms = (was.received_ns - said.sent_ns) / 1e6
    arrival_ms = (said.first_token_ns - first) / 1e6
    gaps = len(was.tokens_sent_ns) - 1
    span, true_span = said.last_token_ns - said.first_token_ns, last - first
    return Errors(
        ttft_ms=request_ms + arrival_ms,
        request_ms=request_ms,
        arrival_ms=arrival_ms,
        last_ms=(said.last_token_ns - last) / 1e6,
        gap_ms=(span - true_span) / 1e6 / gaps if gaps else None,
        speed_percent=(true_span / span - 1) * 100 if gaps and span > 0 and true_span > 0 else None,
        marks=said.marks,
    )


def spread(values: Sequence[float]) -> ErrorSpread:
    """The spread of some errors."""
    sizes = sorted(abs(value) for value in values)
    if not sizes:
        return ErrorSpread()
    return ErrorSpread(
        n=len(sizes),
        mean=round(sum(values) / len(values), 6),
        p50=round(percentile(sizes, 0.5), 6),
        p99=round(percentile(sizes, 0.99), 6),
        max=round(sizes[-1], 6),
    )
