"""Spans of turns as an OpenTelemetry exporter gets them, and the header that a server gets; on a manual clock."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from chatload.engine import tracing as module
from chatload.engine.tracing import Tracing, tracing, tracing_mistakes
from chatload.runner import session
from chatload.runner.chat_behaviour import ChatBehaviour
from tests.engine.scripted import KILL, status
from tests.runner.scripted_session import GOOD, Scene

SAMPLED = 1
"""A flag of traceparent; another one, of newer SDKs, says that the trace's id is random."""
WALL_NS = 1_700_000_000_000_000_000
"""CLOCK_REALTIME − our clock."""


class Collector:
    """Spans that ended; `tracing` is what sessions get."""

    def __init__(self, **settings: Any) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False, **settings)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider.get_tracer("chatload"), lambda: WALL_NS)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    made = Collector()
    monkeypatch.setattr(session, "tracing", lambda: made.tracing)
    return made


def held(folder: Path, users: int = 1, **more: Any) -> Scene:
    """Users who held all their turns."""
    scene = Scene(folder, num_users=users, turns=1, think_time="0", spawn_rate=10, **more)
    greenlets = [scene.run_user(ChatBehaviour) for _ in range(users)]
    scene.clock.run(gevent.joinall, greenlets)
    scene.close()
    return scene


def parents(scene: Scene) -> list[str]:
    """The traceparent of each request."""
    return [
        value.decode()
        for request in scene.script.requests
        for value in re.findall(rb"\r\ntraceparent: (.+?)\r\n", request)
    ]


def test_a_good_turn_is_a_span_with_its_own_stamps(tmp_path: Path, collector: Collector) -> None:
    scene = held(tmp_path)
    (turn,), (span,) = scene.turns, collector.spans
    assert (span.name, span.kind) == ("chat m", trace.SpanKind.CLIENT)
    assert span.start_time == turn.due_ns + WALL_NS
    assert span.end_time == turn.end_ns + WALL_NS
    assert [(event.name, event.timestamp - WALL_NS) for event in span.events] == [
        ("sent", turn.sent_ns), ("first token", turn.first_token_ns), ("finish", turn.last_token_ns),
    ]  # fmt: skip
    facts = dict(span.attributes or {})
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["gen_ai.provider.name"] == "openai"
    assert facts["gen_ai.request.model"] == "m"
    assert facts["gen_ai.usage.output_tokens"] == 2
    assert facts["gen_ai.response.finish_reasons"] == ("stop",)
    assert facts["http.response.status_code"] == 200
    assert facts["chatload.request_id"] == turn.request_id
    assert "error.type" not in facts
    assert span.status.is_unset


def test_the_server_is_told_of_the_span(tmp_path: Path, collector: Collector) -> None:
    scene = held(tmp_path, users=3)
    contexts = [span.context for span in collector.spans]
    expected = {f"00-{one.trace_id:032x}-{one.span_id:016x}" for one in contexts if one is not None}
    assert {one[:-3] for one in parents(scene)} == expected
    assert all(int(one[-2:], 16) & SAMPLED for one in parents(scene))
    assert len(expected) == 3


def test_a_turn_that_is_asked_again_is_one_span(tmp_path: Path, collector: Collector) -> None:
    busy = [(5, status(429, b"busy", "Retry-After: 1\r\n"))]
    scene = held(tmp_path, replies=[busy, GOOD], on_429="wait")
    assert len(collector.spans) == 1
    assert len(parents(scene)) == 2
    assert len(set(parents(scene))) == 1


@pytest.mark.parametrize(
    ("replies", "options", "code", "events"),
    [
        ([[(5, status(500, b"out of order"))]], {}, "http_5xx", ["sent"]),
        ([GOOD], {"expect": "contains 'Paris'"}, "wrong_reply", ["sent", "first token", "finish"]),
    ],
)
def test_a_failed_turn_says_so(
    tmp_path: Path, collector: Collector, replies: Any, options: Any, code: str, events: list[str]
) -> None:
    scene = held(tmp_path, replies=replies, **options)
    (span,) = collector.spans
    assert (span.attributes or {})["error.type"] == code == scene.turns[0].code
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description == scene.turns[0].detail
    assert [event.name for event in span.events] == events


def test_a_turn_that_was_stopped_ends_its_span_and_is_no_error(tmp_path: Path, collector: Collector) -> None:
    held(tmp_path, replies=[[*GOOD[:2], (150, KILL)]])
    (span,) = collector.spans
    assert (span.attributes or {})["error.type"] == "interrupted"
    assert span.status.is_unset


def test_what_is_not_sampled_is_sent_as_that_and_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsampled = Collector(sampler=ALWAYS_OFF)
    monkeypatch.setattr(session, "tracing", lambda: unsampled.tracing)
    scene = held(tmp_path)
    assert [int(one[-2:], 16) & SAMPLED for one in parents(scene)] == [0]
    assert unsampled.spans == []


def test_without_a_provider_there_is_no_header_and_nothing_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, module.SDK)
    assert tracing() is None
    scene = held(tmp_path)
    assert parents(scene) == []
    assert module.SDK not in sys.modules
    assert scene.session.target.tracing is None


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """A provider as Locust sets one with --otel."""
    made = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made)
    yield made


def test_it_is_on_where_a_provider_is_set(provider: TracerProvider) -> None:
    found = tracing()
    assert found is not None
    header = found.begin("r", 1, "m", "openai")
    assert re.fullmatch(rb"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]\r\n", header)


def test_spans_that_cannot_be_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracing_mistakes(asked=True) == []
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert tracing_mistakes(asked=False) == []
    assert tracing_mistakes(asked=True) == [
        "--otel: OpenTelemetry's SDK is not installed: pip install 'chatload[otel]'"
    ]


def test_the_sdk_alone_traces_nothing() -> None:
    assert tracing() is None
