"""OpenTelemetry spans of turns, and the `traceparent` header that links the server's own spans to them.

Active if a tracer provider is set, as Locust does with --otel. Without one OpenTelemetry is not imported. The provider
decides ids and sampling; all times of a span are the turn's stamps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from chatload.engine.clock import wall_offset_ns
from chatload.model.turn import Turn

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SDK = "opentelemetry.sdk.trace"
"""This module is imported if a provider is set."""
NAME = "chatload"
OPERATION = "chat"


class _Open(NamedTuple):
    """An open span, and CLOCK_REALTIME − our clock when it began."""

    span: Span
    offset_ns: int
    model: str
    dialect: str


class Tracing:
    """The open spans of the turns of one process, by request id."""

    def __init__(self, tracer: Tracer, wall_offset: Callable[[], int] = wall_offset_ns) -> None:
        self._tracer, self._wall_offset = tracer, wall_offset
        self._open: dict[str, _Open] = {}

    def begin(self, request_id: str, due_ns: int, model: str, dialect: str) -> bytes:
        """Begin the span of a turn. Returns the traceparent header line, empty if the span's context is invalid."""
        from opentelemetry.trace import SpanKind

        offset_ns = self._wall_offset()
        span = self._tracer.start_span(
            f"{OPERATION} {model}".strip(), kind=SpanKind.CLIENT, start_time=due_ns + offset_ns
        )
        self._open[request_id] = _Open(span, offset_ns, model, dialect)
        context = span.get_span_context()
        if not context.is_valid:
            return b""
        flags = int(context.trace_flags)
        return b"traceparent: 00-%032x-%016x-%02x\r\n" % (context.trace_id, context.span_id, flags)

    def end(self, turn: Turn) -> None:
        """End the span of a turn with its measurements; does nothing if it has none."""
        found = self._open.pop(turn.request_id, None)
        if found is None:
            return
        if found.span.is_recording():
            _describe(found, turn)
        found.span.end(turn.end_ns + found.offset_ns)

    def close(self) -> None:
        """End all open spans, whose turns were never recorded."""
        for one in self._open.values():
            one.span.end()
        self._open.clear()


def _describe(found: _Open, turn: Turn) -> None:
    from opentelemetry.trace import Status, StatusCode

    span = found.span
    for name, at_ns in (
        ("sent", turn.sent_ns),
        ("first token", turn.first_token_ns),
        ("finish", turn.last_token_ns),
    ):
        if at_ns is not None:
            span.add_event(name, timestamp=at_ns + found.offset_ns)
    facts: dict[str, Any] = {
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": found.dialect,
        "gen_ai.request.model": found.model or None,
        "gen_ai.response.id": turn.reply_id,
        "gen_ai.response.finish_reasons": (turn.finish,) if turn.finish else None,
        "gen_ai.usage.input_tokens": turn.prompt_tokens,
        "gen_ai.usage.output_tokens": turn.billed_tokens,
        "http.response.status_code": turn.status,
        "chatload.request_id": turn.request_id,
        "chatload.user": turn.user,
        "chatload.turn": turn.turn,
        "chatload.part": turn.group or turn.name or None,
        "error.type": turn.code,
    }
    span.set_attributes({name: value for name, value in facts.items() if value is not None})
    if turn.failed:
        span.set_status(Status(StatusCode.ERROR, turn.detail))


def tracing_mistakes(asked: bool) -> list[str]:
    """One line if spans were asked for (--otel) and cannot be made, else none: Locust itself would run without them."""
    if not asked or find_spec("opentelemetry.sdk") is not None:
        return []
    return ["--otel: OpenTelemetry's SDK is not installed: pip install 'chatload[otel]'"]


def tracing() -> Tracing | None:
    """The tracing of this process; None if no tracer provider is set."""
    if SDK not in sys.modules:
        return None
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = trace.get_tracer_provider()
    return Tracing(provider.get_tracer(NAME)) if isinstance(provider, TracerProvider) else None
