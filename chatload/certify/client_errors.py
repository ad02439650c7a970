"""Compares the client's times with the log of the fixed-rate server, request by request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from chatload.analysis.quantiles import percentile
from chatload.model.certificate import ErrorSpread
from chatload.model.turn import Turn


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One answer as the server logged it; instants are ns of the host's monotonic clock."""

    received_ns: int
    tokens_sent_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """One answer as the client recorded it; instants are ns of the same clock."""

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
    include the time on the loopback, the first also the server's delay. `gap_ms` is the error of the mean gap,
    `speed_percent` that of tokens/s.
    """

    ttft_ms: float
    request_ms: float
    arrival_ms: float
    last_ms: float
    gap_ms: float | None
    speed_percent: float | None
    marks: tuple[str, ...]


def server_answers(path: Path) -> dict[str, ServerAnswer]:
    """The complete answers with at least one token in a server log, by request id."""
    found: dict[str, ServerAnswer] = {}
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
                found[line["request_id"]] = ServerAnswer(line["received_ns"], sent)
    return found


def client_answers(turns: Iterable[Turn]) -> dict[str, ClientAnswer]:
    """The answers of the good turns, by request id."""
    return {
        turn.request_id: ClientAnswer(
            turn.sent_ns, turn.first_token_ns, turn.last_token_ns, len(turn.gaps_us), turn.marks
        )
        for turn in turns
        if turn.ok and turn.sent_ns and turn.first_token_ns and turn.last_token_ns
    }


def errors(measured: Mapping[str, ClientAnswer], truth: Mapping[str, ServerAnswer]) -> list[Errors]:
    """One `Errors` for each answer that is in both."""
    return [_errors(answer, truth[name]) for name, answer in measured.items() if name in truth]


def _errors(measured: ClientAnswer, truth: ServerAnswer) -> Errors:
    first, last = truth.tokens_sent_ns[0], truth.tokens_sent_ns[-1]
    request_ms = (truth.received_ns - measured.sent_ns) / 1e6
    arrival_ms = (measured.first_token_ns - first) / 1e6
    gaps = len(truth.tokens_sent_ns) - 1
    span, true_span = measured.last_token_ns - measured.first_token_ns, last - first
    return Errors(
        ttft_ms=request_ms + arrival_ms,
        request_ms=request_ms,
        arrival_ms=arrival_ms,
        last_ms=(measured.last_token_ns - last) / 1e6,
        gap_ms=(span - true_span) / 1e6 / gaps if gaps else None,
        speed_percent=(true_span / span - 1) * 100 if gaps and span > 0 and true_span > 0 else None,
        marks=measured.marks,
    )


def spread(values: Sequence[float]) -> ErrorSpread:
    """The `ErrorSpread` of signed errors."""
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
