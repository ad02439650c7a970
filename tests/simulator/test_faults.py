"""Each fault is what it says, on the wire and in the truth log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from simulator.faults.injector import FaultInjector, parse_fault
from tests.simulator.client import Simulator, ask, chat, chunks, connect, read_reply, request_bytes

Start = Callable[..., Simulator]
PATH = "/v1/chat/completions"


def struck(
    simulate: Start, fault: str, speak: str = "vllm", **more: object
) -> tuple[bytes, dict[str, object]]:
    """The reply to one request under a sure fault, and its truth line."""
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
    reply, line = struck(simulate, "truncate:1:2")
    assert reply.endswith(b"\n\n\r\n")
    assert not reply.endswith(b"0\r\n\r\n")
    assert len(chunks(reply + b"0\r\n\r\n")) == 3  # role and two tokens
    assert line["ended"] == "fault:truncate"


def test_stall(simulate: Start) -> None:
    begun = time.monotonic()
    reply, line = struck(simulate, "stall:1:0.4")
    assert 0.4 < time.monotonic() - begun < 3
    assert reply.endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
    stamps = line["events"]["sent_ns"]  # type: ignore[index]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    assert max(gaps) > 0.39e9
    assert line["ended"] == "complete"
    assert line["tokens"] == 6


@pytest.mark.parametrize(
    ("speak", "ending"),
    [
        ("vllm", b'"code":500}}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n'),
        ("tgi", b'"http_status_code":422}}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n'),
        ("llama.cpp", b'"type":"server_error"}}\n\n\r\n0\r\n\r\n'),
    ],
)
def test_in_band_error(simulate: Start, speak: str, ending: bytes) -> None:
    reply, line = struck(simulate, "error:1:2", speak)
    assert reply.startswith(b"HTTP/1.1 200")
    assert reply.endswith(ending)
    assert line["ended"] == "fault:error"


def test_vllm_012_just_breaks_off(simulate: Start) -> None:
    reply, line = struck(simulate, "error:1:2", "vllm-0.1.2")
    assert not reply.endswith(b"0\r\n\r\n")
    assert line["ended"] == "fault:truncate"


def test_a_failing_batch_takes_everyone_with_it(simulate: Start) -> None:
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
    reply, line = struck(simulate, "429:1:3")
    assert reply.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 3\r\n" in reply
    assert (line["status"], line["ended"]) == (429, "fault:429")
    reply, _ = struck(simulate, "429:1")
    assert b"retry-after" not in reply
    reply, _ = struck(simulate, "503:1")
    assert reply.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


def test_slow_headers(simulate: Start) -> None:
    begun = time.monotonic()
    reply, line = struck(simulate, "slow-headers:1:0.3")
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
    reply, line = struck(simulate, "bad-json:1:2")
    bad = []
    for chunk in chunks(reply)[:-1]:
        try:
            json.loads(chunk.removeprefix(b"data: "))
        except json.JSONDecodeError:
            bad.append(chunk)
    assert len(bad) == 1
    assert reply.endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
    assert "bad-json" in line["events"]["kind"]  # type: ignore[index]
    reply, line = struck(simulate, "huge-event:1:300000")
    assert max(map(len, chunks(reply))) > 300_000
    assert line["tokens"] == 6


def test_drip(simulate: Start) -> None:
    reply, line = struck(simulate, "slow-write:1:10000")
    assert reply.endswith(b"0\r\n\r\n")
    took_s = (line["end_ns"] - line["headers_ns"]) / 1e9  # type: ignore[operator]
    assert took_s > 0.5 * len(reply) / 10_000
    assert line["ended"] == "complete"


def test_wrong_usage(simulate: Start) -> None:
    reply, line = struck(simulate, "wrong-usage:1:7")
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
        assert time.monotonic() - begun < 2


def test_abort(simulate: Start) -> None:
    reply, line = struck(simulate, "abort:1:2")
    assert b'"finish_reason":"abort"' in reply
    assert reply.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert (line["finish"], line["ended"], line["tokens"]) == ("abort", "fault:abort", 2)


def test_a_struck_request_frees_its_seat(simulate: Start) -> None:
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


def test_rates_hold_and_the_seed_decides() -> None:
    faults = (parse_fault("reset:0.2"), parse_fault("stall:0.1:1"))
    drawn = [[fault.kind if fault else None for fault in (dice.draw() for _ in range(2000))]
             for dice in (FaultInjector(faults, 3), FaultInjector(faults, 3))]  # fmt: skip
    assert drawn[0] == drawn[1]
    assert 300 < drawn[0].count("reset") < 500
    assert 100 < drawn[0].count("stall") < 250


@pytest.mark.parametrize(
    "text", ["nope:1", "reset", "reset:2", "reset:0.1:x", "503:0.1:4", "stall:1:-2", "reset:1:1:1"]
)
def test_a_wrong_fault_is_said_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=f"--fault {text}"):
        parse_fault(text)
