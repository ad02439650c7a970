"""What each fault does, on the wire and in the truth log."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from simulator.faults.injector import FaultInjector, parse_fault
from simulator.faults.slow_writer import SlowWriter
from tests.simulator.client import Simulator, ask, chat, chunks, connect, read_reply, request_bytes

Start = Callable[..., Simulator]
PATH = "/v1/chat/completions"


def reply_with(
    simulate: Start, fault: str, speak: str = "vllm", **more: object
) -> tuple[bytes, dict[str, object]]:
    """The reply to one request with this fault, and its truth line."""
    simulator = simulate("--speak", speak, "--fault", fault)
    body = chat(max_tokens=50, stream_options={"include_usage": True}, **more)
    reply = ask(simulator.port, PATH, body)
    return reply, simulator.wait_lines(1)[0]


def test_reset_after_tokens(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "reset:1:2")
    with connect(simulator.port) as sock:
        sock.sendall(request_bytes(PATH, chat(max_tokens=50)))
        with pytest.raises(ConnectionResetError):
            read_reply(sock)
    (line,) = simulator.wait_lines(1)
    assert (line["fault"], line["ended"], line["tokens"]) == ("reset", "fault:reset", 2)


def test_reset_before_any_byte(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "reset:1:0")
    with connect(simulator.port) as sock:
        sock.sendall(request_bytes(PATH, chat()))
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_truncate_ends_without_the_zero_chunk(simulate: Start) -> None:
    reply, line = reply_with(simulate, "truncate:1:2")
    assert reply.endswith(b"\n\n\r\n")
    assert not reply.endswith(b"0\r\n\r\n")
    assert len(chunks(reply + b"0\r\n\r\n")) == 3  # role and two tokens
    assert line["ended"] == "fault:truncate"


def test_stall(simulate: Start) -> None:
    begun = time.monotonic()
    reply, line = reply_with(simulate, "stall:1:0.4")
    assert 0.4 < time.monotonic() - begun < 10
    assert reply.endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
    stamps = line["events"]["sent_ns"]  # type: ignore[index]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    assert max(gaps) > 0.39e9
    assert gaps.index(max(gaps)) == 3, "role, then three tokens, then the stall"
    assert line["ended"] == "complete"
    assert line["tokens"] == 6


@pytest.mark.parametrize(
    ("speak", "ending"),
    [
        ("vllm", b'"code": 500}}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n'),
        ("tgi", b'"http_status_code":422}}\n\n\r\nE\r\ndata: [DONE]\n\n\r\n0\r\n\r\n'),
        ("llama.cpp", b'"type":"server_error"}}\n\n\r\n0\r\n\r\n'),
    ],
)
def test_in_band_error(simulate: Start, speak: str, ending: bytes) -> None:
    reply, line = reply_with(simulate, "error:1:2", speak)
    assert reply.startswith(b"HTTP/1.1 200")
    assert reply.endswith(ending)
    assert line["ended"] == "fault:error"


def test_vllm_012_just_breaks_off(simulate: Start) -> None:
    reply, line = reply_with(simulate, "error:1:2", "vllm-0.1.2")
    assert not reply.endswith(b"0\r\n\r\n")
    assert line["ended"] == "fault:truncate"


def test_a_failing_batch_fails_every_reply_in_it(simulate: Start) -> None:
    simulator = simulate(
        "--speak", "tgi-0.9.3", "--fault", "batch-error:0.3:20", "--answer-tokens", "200", "--seed", "1"
    )
    body = {"inputs": "Once", "parameters": {"max_new_tokens": 300}}
    socks = [connect(simulator.port) for _ in range(4)]
    for sock in socks:
        sock.sendall(request_bytes("/generate_stream", body))
    lasts = [chunks(read_reply(sock))[-1] for sock in socks]
    error = {
        "error": "Request failed during generation: Server error: CUDA out of memory",
        "error_type": "generation",
    }
    assert [json.loads(last.removeprefix(b"data:")) for last in lasts] == [error] * 4
    assert {line["ended"] for line in simulator.wait_lines(4)} == {"fault:batch-error"}


def test_refusals(simulate: Start) -> None:
    reply, line = reply_with(simulate, "429:1:3")
    assert reply.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 3\r\n" in reply
    assert (line["status"], line["ended"]) == (429, "fault:429")
    reply, _ = reply_with(simulate, "429:1")
    assert b"retry-after" not in reply
    reply, _ = reply_with(simulate, "503:1")
    assert reply.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after" not in reply


def test_a_failing_batch_spares_what_still_waits_for_a_seat(simulate: Start) -> None:
    """With this seed the first of four requests fails, and holds the only seat."""
    options = ("--max-num-seqs", "1", "--answer-tokens", "20", "--seed", "25")
    simulator = simulate("--speak", "vllm", "--fault", "batch-error:0.5:3", *options)
    socks = [connect(simulator.port) for _ in range(4)]
    for sock in socks:
        sock.sendall(request_bytes(PATH, chat(max_tokens=30)))
    for sock in socks:
        read_reply(sock)
    lines = simulator.wait_lines(4)
    assert sorted(line["ended"] for line in lines) == ["complete"] * 3 + ["fault:batch-error"]


def test_slow_headers(simulate: Start) -> None:
    begun = time.monotonic()
    reply, line = reply_with(simulate, "slow-headers:1:0.3")
    assert time.monotonic() - begun > 0.3
    assert reply.startswith(b"HTTP/1.1 200")
    assert line["headers_ns"] - line["received_ns"] > 0.3e9  # type: ignore[operator]


def test_never(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "never:1")
    with connect(simulator.port) as sock:
        sock.settimeout(0.2)
        sock.sendall(request_bytes(PATH, chat()))
        with pytest.raises(TimeoutError):
            sock.recv(1)
    (line,) = simulator.wait_lines(1)
    assert (line["ended"], line["bytes"]) == ("fault:never", 0)


def test_bad_json_and_huge_event_go_on(simulate: Start) -> None:
    reply, line = reply_with(simulate, "bad-json:1:2")
    bad = []
    for chunk in chunks(reply)[:-1]:
        try:
            json.loads(chunk.removeprefix(b"data: "))
        except json.JSONDecodeError:
            bad.append(chunk)
    assert len(bad) == 1
    assert reply.endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
    assert line["events"]["kind"][:4] == ["role", "token", "bad-json", "token"]  # type: ignore[index]
    reply, line = reply_with(simulate, "huge-event:1:300000")
    assert max(map(len, chunks(reply))) > 300_000
    assert line["tokens"] == 6


def test_slow_write(simulate: Start) -> None:
    reply, line = reply_with(simulate, "slow-write:1:10000")
    assert reply.endswith(b"0\r\n\r\n")
    took_s = (line["end_ns"] - line["headers_ns"]) / 1e9  # type: ignore[operator]
    assert took_s > 0.5 * len(reply) / 10_000
    assert line["ended"] == "complete"


def test_wrong_usage(simulate: Start) -> None:
    reply, line = reply_with(simulate, "wrong-usage:1:7")
    usage = json.loads(chunks(reply)[-2].removeprefix(b"data: "))["usage"]
    assert usage["completion_tokens"] == 13
    assert line["tokens"] == 6


def test_idle_close(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "idle-close:1:0.1")
    with connect(simulator.port) as sock:
        sock.sendall(request_bytes(PATH, chat()))
        assert b"onnection: close" not in read_reply(sock)
        begun = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - begun < 4, "the server's own limit is 5 s"


def test_abort(simulate: Start) -> None:
    reply, line = reply_with(simulate, "abort:1:2")
    assert b'"finish_reason":"abort"' in reply
    assert reply.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert (line["finish"], line["ended"], line["tokens"]) == ("abort", "fault:abort", 2)


def test_a_request_with_a_fault_frees_its_seat(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "reset:0.5:1", "--max-num-seqs", "1")
    for _ in range(8):
        with connect(simulator.port) as sock:
            sock.sendall(request_bytes(PATH, chat()))
            try:
                read_reply(sock)
            except ConnectionResetError:
                continue
    lines = simulator.wait_lines(8)
    assert {line["fault"] for line in lines} == {None, "reset"}


def test_an_answer_that_ends_before_its_stall_just_ends(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "stall:1:30")
    reply = ask(simulator.port, PATH, chat(max_tokens=2))
    assert reply.count(b'"finish_reason":"length"') == reply.count(b"[DONE]") == 1
    assert simulator.wait_lines(1)[0]["ended"] == "complete"


def test_a_fault_counts_tokens_or_comes_after_the_third() -> None:
    texts = ("reset:1:5", "truncate:1", "stall:1:0.5", "huge-event:1:100", "bad-json:1:2", "abort:1:0")
    assert [parse_fault(text).after for text in texts] == [5, 3, 3, 3, 2, 0]


def test_counts_may_be_wrong_in_both_directions_but_no_other_argument_is_negative() -> None:
    assert parse_fault("wrong-usage:1:-2").arg == -2
    assert parse_fault("429:1:-1").arg == -1


def test_the_rate_of_one_fault_does_not_move_the_draws_of_another() -> None:
    def stalled(reset_rate: float) -> set[int]:
        injector = FaultInjector((parse_fault(f"reset:{reset_rate}"), parse_fault("stall:0.3")), 5)
        drawn = [injector.draw() for _ in range(500)]
        return {number for number, fault in enumerate(drawn) if fault is not None and fault.kind == "stall"}

    assert stalled(0.5) < stalled(0.0)


class FakeExchange:
    """Takes what a SlowWriter sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.open = True

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def test_a_slow_writer_sends_byte_by_byte_and_tells_when_each_write_is_out() -> None:
    async def run() -> list[object]:
        exchange, told = FakeExchange(), []  # type: tuple[FakeExchange, list[object]]
        writer = SlowWriter(exchange, 1000.0)  # type: ignore[arg-type]  # 5 bytes every 5 ms
        writer.send(b"abcdef", lambda: told.append(len(exchange.sent)))
        writer.send(b"gh", lambda: told.append(len(exchange.sent)))
        begun = time.monotonic()
        over = asyncio.Event()
        writer.then(over.set)
        await asyncio.wait_for(over.wait(), 2)
        assert exchange.sent == [bytes([byte]) for byte in b"abcdefgh"]
        assert time.monotonic() - begun > 0.004
        return told

    assert asyncio.run(run()) == [6, 8]


def test_a_slow_writer_stops_when_the_client_has_gone() -> None:
    async def run() -> int:
        exchange = FakeExchange()
        writer = SlowWriter(exchange, 200.0)  # type: ignore[arg-type]  # 1 byte every 5 ms
        writer.send(b"a" * 1000, lambda: None)
        await asyncio.sleep(0.03)
        exchange.open = False
        await asyncio.sleep(0.03)
        sent = len(exchange.sent)
        await asyncio.sleep(0.05)
        return len(exchange.sent) - sent

    assert asyncio.run(run()) == 0


def test_rates_hold_and_the_seed_decides() -> None:
    faults = (parse_fault("reset:0.2"), parse_fault("stall:0.1:1"))
    one, other = FaultInjector(faults, 3), FaultInjector(faults, 3)
    drawn = [fault.kind if fault else None for fault in (one.draw() for _ in range(2000))]
    assert drawn == [fault.kind if fault else None for fault in (other.draw() for _ in range(2000))]
    assert 300 < drawn.count("reset") < 500
    assert 100 < drawn.count("stall") < 250


@pytest.mark.parametrize(
    "text", ["nope:1", "reset", "reset:2", "reset:0.1:x", "503:0.1:4", "stall:1:-2", "reset:1:1:1"]
)
def test_a_wrong_fault_gets_a_message_of_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=f"--fault {text}"):
        parse_fault(text)


def test_when_the_engine_dies_streams_get_the_error_the_next_request_500_and_then_nobody_listens(
    simulate: Start,
) -> None:
    simulator = simulate("--speak", "vllm", "--fault", "engine-dies:1:30", "--profile", "demo")
    socks = [connect(simulator.port) for _ in range(4)]
    for sock in socks:
        sock.sendall(request_bytes(PATH, chat(max_tokens=300, ignore_eos=True)))
    replies = [read_reply(sock) for sock in socks]
    for sock in socks:
        sock.close()
    assert all(reply.startswith(b"HTTP/1.1 200") for reply in replies)
    assert all(b"EngineCore encountered an issue." in reply for reply in replies)
    assert all(reply.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for reply in replies)
    assert ask(simulator.port, "/health", None, method="GET").startswith(b"HTTP/1.1 503")
    with connect(simulator.port) as idle:
        later = ask(simulator.port, PATH, chat())
        assert later.startswith(b"HTTP/1.1 500")
        assert b'{"error":{"message":"EngineCore encountered an issue.' in later
        assert idle.recv(1) == b""  # within a tick the server exits
    with pytest.raises(ConnectionRefusedError):
        connect(simulator.port)
    lines = simulator.wait_lines(5)
    assert [line["ended"] for line in lines] == ["fault:engine-dies"] * 4 + ["refused"]
    assert all(sum(line["events"]["tokens"]) == line["tokens"] for line in lines)


def test_a_dead_lmdeploy_goes_on_answering_200_and_is_healthy(simulate: Start) -> None:
    simulator = simulate("--speak", "lmdeploy", "--fault", "engine-dies:1:1")
    for _ in range(2):
        reply = ask(simulator.port, PATH, chat(max_tokens=50))
        assert reply.startswith(b"HTTP/1.1 200")
        assert b'"An internal server error occurred.", "type": "server_error"' in reply
    assert b'"healthy"' in ask(simulator.port, "/health", None, method="GET")


def test_a_front_end_at_its_limit_sends_the_answer_in_one_event(simulate: Start) -> None:
    _reply, line = reply_with(simulate, "merged:1")
    events = line["events"]
    assert isinstance(events, dict)
    assert [count for count in events["tokens"] if count] == [line["tokens"]]
    assert line["ended"] == "complete"


def test_metrics_are_not_answered_while_many_requests_are_open(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--silent-metrics-from", "1", "--profile", "demo")
    with connect(simulator.port) as busy, connect(simulator.port) as page:
        busy.sendall(request_bytes(PATH, chat(max_tokens=2000, ignore_eos=True)))
        busy.recv(10)
        page.sendall(request_bytes("/metrics", None, method="GET"))
        page.settimeout(0.3)
        with pytest.raises(TimeoutError):
            page.recv(1)
        busy.close()
        page.settimeout(5)
        assert page.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("how", ["abort", "wait"])
def test_both_ways_of_vllm_to_end_at_sigterm(simulate: Start, how: str) -> None:
    simulator = simulate("--speak", "vllm", "--on-sigterm", how, "--profile", "demo")
    with connect(simulator.port) as sock:
        sock.sendall(request_bytes(PATH, chat(max_tokens=2000, ignore_eos=True)))
        seen = sock.recv(10)
        simulator.process.send_signal(signal.SIGTERM)
        if how == "abort":
            while more := sock.recv(65_536):
                seen += more
            assert b'"finish_reason":"abort"' in seen
            assert seen.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        else:
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):  # it sends no more, and does not close
                while sock.recv(65_536):
                    pass
            with pytest.raises(ConnectionRefusedError):
                connect(simulator.port)
    assert simulator.process.wait(10) == 0
    line = simulator.lines()[0]
    assert line["ended"] == ("fault:sigterm" if how == "abort" else "client_gone")


def test_transformers_does_not_list_its_models(simulate: Start) -> None:
    simulator = simulate("--speak", "transformers")
    models = ask(simulator.port, "/v1/models", None, method="GET")
    assert models.startswith(b"HTTP/1.1 500")
    assert models.endswith(b"Internal Server Error")
    assert ask(simulator.port, PATH, None, method="GET").startswith(b"HTTP/1.1 405")


def test_llama_cpp_python_breaks_off_a_stream_for_the_next_request(simulate: Start) -> None:
    simulator = simulate("--speak", "llama-cpp-python", "--profile", "demo")
    with connect(simulator.port) as first:
        first.sendall(request_bytes(PATH, chat(max_tokens=2000, ignore_eos=True)))
        first.recv(10)
        second = ask(simulator.port, PATH, chat(max_tokens=3))
        cut = read_reply(first)
    assert cut.endswith(b"data: [DONE]\n\n\r\n")
    assert b'"finish_reason": "' not in cut
    assert second.endswith(b"0\r\n\r\n")
    assert b'"finish_reason": "length"' in second
    assert [line["ended"] for line in simulator.wait_lines(2)] == ["fault:interrupted", "complete"]


def test_lmdeploy_puts_more_tokens_into_an_event_the_more_streams_are_open(simulate: Start) -> None:
    simulator = simulate("--speak", "lmdeploy", "--profile", "demo")
    body = request_bytes(PATH, chat(max_tokens=60, ignore_eos=True))
    socks = [connect(simulator.port) for _ in range(12)]
    for sock in socks:
        sock.sendall(body)
    for sock in socks:
        read_reply(sock)
        sock.close()
    counts = [[n for n in line["events"]["tokens"] if n] for line in simulator.wait_lines(12)]
    assert all(sum(each) == 60 for each in counts)
    assert sorted({each[0] for each in counts}) == [
        1,
        2,
        3,
        4,
    ]  # from 1 to 12 ** 0.57, the first event as well
