"""The truth log says what a raw client sees: the same events, and when they left."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.engine import realtime_engine
from simulator.engine.engine import Sequence, build_engine
from simulator.engine.realtime_engine import RealtimeEngine
from simulator.ground_truth.send_delay import SendDelayHistogram
from simulator.ground_truth.truth_log import TruthLog, TruthRecord
from tests.long import size
from tests.simulator.client import Simulator, ask, chat, chunks, connect, request_bytes

Start = Callable[..., Simulator]
FIELDS = {
    "kind", "server", "path", "port", "connection", "received_ns", "request_id", "reply_id", "stream", "queued_ns",
    "admitted_ns", "headers_ns", "end_ns", "prompt_tokens", "tokens", "finish", "status", "fault", "ended",
    "preempted", "bytes", "events", "model", "images", "image_tokens", "reasoning_tokens",
}  # fmt: skip


@pytest.mark.parametrize("name", ["vllm", "tgi", "vllm-0.1.2", "llama.cpp", "transformers", "lmdeploy"])
def test_events_are_those_the_client_saw(simulate: Start, name: str) -> None:
    simulator = simulate("--speak", name)
    body = chat(stream_options={"include_usage": True}, max_tokens=50)
    before_ns = time.perf_counter_ns()
    reply = ask(simulator.port, "/v1/chat/completions", body, headers={"X-Request-Id": "turn-1"})
    after_ns = time.perf_counter_ns()
    (line,) = simulator.wait_lines(1)
    assert set(line) == FIELDS
    assert (line["kind"], line["request_id"], line["ended"], line["status"]) == (
        "request",
        "turn-1",
        "complete",
        200,
    )
    events = line["events"]
    seen = [event for chunk in chunks(reply) for event in chunk.decode().split("\n\n") if event.strip()]
    assert len(events["kind"]) == len(seen)
    assert [kind == "done" for kind in events["kind"]] == [event == "data: [DONE]" for event in seen]
    assert sum(events["tokens"]) == line["tokens"]
    assert line["bytes"] == len(reply)
    stamps = [line["received_ns"], line["queued_ns"], line["admitted_ns"], *events["sent_ns"], line["end_ns"]]
    if "role" in events["kind"][:1] and events["sent_ns"][0] <= line["queued_ns"]:
        stamps.remove(events["sent_ns"][0])  # the role event came before the engine
    assert all(earlier <= later for earlier, later in pairwise(stamps))
    assert before_ns < line["received_ns"] < line["end_ns"] < after_ns


def test_the_same_seed_gives_the_same_answers(simulate: Start) -> None:
    answers = []
    for _ in range(2):
        simulator = simulate("--speak", "tgi", "--answer-tokens", "20:10")
        body = {"inputs": "Once", "parameters": {"max_new_tokens": 100}}
        answers.append([chunks(ask(simulator.port, "/generate_stream", body)) for _ in range(3)])
    assert answers[0] == answers[1]
    assert len({len(each) for each in answers[0]}) > 1


def test_a_vanished_client_frees_its_seat(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--max-num-seqs", "1", "--answer-tokens", "2000")
    with connect(simulator.port) as first:
        first.sendall(request_bytes("/v1/chat/completions", chat(max_tokens=2000)))
        assert first.recv(10)
    reply = ask(simulator.port, "/v1/chat/completions", chat(max_tokens=3))
    assert reply.endswith(b"0\r\n\r\n")
    gone, served = simulator.wait_lines(2)
    assert gone["ended"] == "client_gone"
    assert 0 < gone["tokens"] < 50
    assert served["ended"] == "complete"


def test_stopping_logs_what_was_open_and_a_line_about_the_server(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--answer-tokens", "2000")
    with connect(simulator.port) as sock:
        sock.sendall(request_bytes("/v1/chat/completions", chat(max_tokens=2000)))
        seen = b""
        while b'"content":"' not in seen.replace(b'"content":""', b""):
            seen += sock.recv(65_536)
        stopped, server = simulator.stop()
    assert stopped["ended"] == "stopped"
    assert server["kind"] == "server"
    assert server["requests"] == 1
    assert server["writes"]["n"] == len({*stopped["events"]["sent_ns"]})
    assert 0 <= server["steps"]["p50_ms"] <= server["writes"]["max_ms"]


def test_a_fixed_rate_server_keeps_its_schedule(simulate: Start) -> None:
    simulator = simulate(
        "--speak", "fixed-rate", "--ttft-ms", "50", "--tokens-per-s", "200", "--answer-tokens", "20"
    )
    reply = ask(simulator.port, "/v1/chat/completions", chat(max_tokens=100))
    assert reply.count(b'"finish_reason":"stop"') == 1
    (line,) = simulator.wait_lines(1)
    events = line["events"]
    stamps = [at for at, n in zip(events["sent_ns"], events["tokens"], strict=True) if n]
    assert len(stamps) == 20 == line["tokens"]
    late_ms = [(at - line["received_ns"]) / 1e6 - 50 - k * 5 for k, at in enumerate(stamps)]
    assert min(late_ms) >= 0
    assert sorted(late_ms)[10] < 20


def test_a_fixed_rate_server_spreads_the_beginnings_of_its_replies(simulate: Start) -> None:
    simulator = simulate(
        "--speak", "fixed-rate", "--ttft-ms", "20", "--ttft-spread-ms", "300", "--tokens-per-s", "500",
        "--answer-tokens", "3",
    )  # fmt: skip
    for _ in range(6):
        ask(simulator.port, "/v1/chat/completions", chat(max_tokens=100))
    begun_ms = [
        (line["events"]["sent_ns"][0] - line["received_ns"]) / 1e6 - 20 for line in simulator.wait_lines(6)
    ]
    assert min(begun_ms) >= 0
    assert max(begun_ms) - min(begun_ms) > 50  # the seed decides: six draws of 300 ms


@pytest.mark.parametrize(
    ("wire", "path", "body"),
    [
        ("tgi", "/generate_stream", {"inputs": "Once", "parameters": {"max_new_tokens": 5}}),
        ("vllm-generate", "/generate", {"prompt": "Once", "max_tokens": 5, "stream": True}),
    ],
)
def test_a_fixed_rate_server_speaks_other_wires(
    simulate: Start, wire: str, path: str, body: dict[str, object]
) -> None:
    simulator = simulate("--speak", "fixed-rate", "--wire", wire, "--tokens-per-s", "1000", "--ttft-ms", "1")
    assert len(chunks(ask(simulator.port, path, body))) == 5


def test_a_fixed_rate_server_can_lead_with_the_role_and_pad_its_events(simulate: Start) -> None:
    more = [
        "--role-lead-ms",
        "60",
        "--ttft-ms",
        "80",
        "--tokens-per-s",
        "1000",
        "--event-bytes",
        "300",
        "--burst",
    ]
    simulator = simulate("--speak", "fixed-rate", *more)
    reply = ask(simulator.port, "/v1/chat/completions", chat(max_tokens=3))
    assert all(len(chunk) > 400 for chunk in chunks(reply)[1:4])
    (line,) = simulator.wait_lines(1)
    role, first = line["events"]["sent_ns"][:2]
    assert line["events"]["kind"][:2] == ["role", "token"]
    assert (first - role) / 1e6 == pytest.approx(60, abs=40)


class LateLoop:
    """A real-time engine whose timer fires late, and requests that arrive meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 1_000_000_000
        monkeypatch.setattr(realtime_engine, "now_ns", lambda: self.now_ns)
        monkeypatch.setattr(realtime_engine, "AbsoluteTimer", lambda loop, call: Mock())
        engine = build_engine("vllm-v1@demo", {})
        self.engine = RealtimeEngine(engine, Mock(), TruthLog(None))
        self.truths: list[TruthRecord] = []

    def arrive(self, since_ns: int, tokens: int) -> None:
        truth = TruthRecord("vllm", "/", 0, 0, received_ns=self.now_ns - since_ns)
        sequence = Sequence(len(self.truths), 20, tokens, tokens)
        reply = Mock(truth=truth, sequence=sequence, made=0, finish=None, countdown=0)
        reply.blocked.return_value = False
        reply.send_prepared.side_effect = lambda: self.now_ns
        self.truths.append(truth)
        self.engine.enter(reply)

    def fire(self, late_ns: int) -> None:
        self.now_ns = max(self.now_ns, self.engine._due_ns) + late_ns
        self.engine._on_timer()


@settings(
    max_examples=size(100, 20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    happens=st.lists(
        st.tuples(st.integers(0, 400_000_000), st.integers(0, 300_000_000), st.integers(0, 3)),
        min_size=2,
        max_size=12,
    )
)
def test_no_request_is_admitted_before_it_is_received(
    monkeypatch: pytest.MonkeyPatch, happens: list[tuple[int, int, int]]
) -> None:
    """However late the event loop is: received, queued, admitted, in this order."""
    late = LateLoop(monkeypatch)
    for late_ns, since_ns, arrivals in happens:
        for _ in range(arrivals):
            late.arrive(since_ns, tokens=4)
        late.fire(late_ns)
        late.now_ns += 1_000
    for _ in range(60):
        late.fire(0)
    for truth in late.truths:
        assert truth.queued_ns is not None
        assert truth.admitted_ns is not None
        assert truth.received_ns <= truth.queued_ns <= truth.admitted_ns


def test_a_simulator_that_is_late_itself_says_so() -> None:
    delays = SendDelayHistogram()
    for _ in range(990):
        delays.event(9_900_000)
    for _ in range(10):
        delays.event(10_100_000)
    assert delays.writes == (10, 1000)
    assert delays.summary()["starved"] is False
    delays.event(5_000_000_000)
    assert delays.writes == (11, 1001)
    assert delays.summary()["starved"] is True


@pytest.mark.parametrize(
    ("late", "of", "starved"),
    [
        (1, 1, False),  # no percentile of so few is shown
        (3, 6, False), (4, 6, True),
        (1, 35, False),  # one late sleep
        (3, 36, False), (4, 36, True),
        (18, 367, False), (19, 367, True),
        (3, 368, False), (4, 368, True),
    ],
)  # fmt: skip
def test_so_many_late_writes_change_a_percentile_that_their_number_supports(
    late: int, of: int, starved: bool
) -> None:
    delays = SendDelayHistogram()
    for place in range(of):
        delays.event(20_000_000 if place < late else 0)
    assert delays.starved is starved


def test_a_simulator_that_stood_still_for_seconds_says_so() -> None:
    delays = SendDelayHistogram()
    delays.resyncs = 1
    assert delays.summary()["starved"] is True
