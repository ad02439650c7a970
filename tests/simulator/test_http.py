"""HTTP manners: keep-alive, pipelining, malformed input, slow and half-closed clients, limits, routes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.long import size
from tests.simulator.client import Simulator, ask, chat, chunks, connect, read_reply, request_bytes

Start = Callable[..., Simulator]
PATH = "/v1/chat/completions"
ROOT = Path(__file__).parents[2]


def test_a_connection_serves_many_requests(everyone: Simulator) -> None:
    with connect(everyone.ports["vllm-0.33"]) as sock:
        for _ in range(3):
            sock.sendall(request_bytes(PATH, chat(max_tokens=2)))
            assert read_reply(sock).endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
            sock.sendall(request_bytes("/health", None, method="GET"))
            assert read_reply(sock).startswith(b"HTTP/1.1 200 OK")


def test_pipelined_requests_are_answered_in_order(everyone: Simulator) -> None:
    with connect(everyone.ports["vllm-0.33"]) as sock:
        sock.sendall(request_bytes(PATH, chat(max_tokens=2)) + request_bytes("/version", None, method="GET"))
        first = b""
        while not first.endswith(b'{"version":"0.33.0"}'):
            first += sock.recv(65_536)
        assert first.index(b"[DONE]") < first.index(b'"version"')


def test_a_request_may_come_byte_by_byte(everyone: Simulator) -> None:
    with connect(everyone.ports["tgi-3.3"]) as sock:
        for byte in request_bytes(PATH, chat(max_tokens=2)):
            sock.send(bytes([byte]))
        assert read_reply(sock).endswith(b"0\r\n\r\n")


def test_connection_close_is_honoured(everyone: Simulator) -> None:
    for name in ("vllm-0.33", "vllm-0.1.2", "tgi-3.3", "llama.cpp"):
        with connect(everyone.ports[name]) as sock:
            sock.sendall(request_bytes(PATH, chat(max_tokens=2), headers={"Connection": "close"}))
            reply = read_reply(sock)
            assert b"connection: close\r\n" in reply.lower()
            assert sock.recv(1) == b""


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 300, b"nonsense\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"\x00" * 100])  # fmt: skip
@pytest.mark.parametrize("name", ["vllm-0.33", "vllm-0.1.2", "tgi-3.3", "llama.cpp"])
def test_what_is_no_http_gets_400_and_a_close(everyone: Simulator, name: str, junk: bytes) -> None:
    with connect(everyone.ports[name]) as sock:
        sock.sendall(junk)
        reply = b""
        while more := sock.recv(65_536):
            reply += more
        assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")


@settings(
    max_examples=size(40, 20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(min_size=1, max_size=400), cut=st.integers(0, 200))
def test_nothing_sent_can_break_it(everyone: Simulator, junk: bytes, cut: int) -> None:
    good = request_bytes(PATH, chat(max_tokens=1))
    for data in (junk, good[:cut] + junk, request_bytes(PATH, junk), request_bytes("/generate_stream", junk)):
        with connect(everyone.ports["tgi-3.3"]) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while True:
                try:
                    if not sock.recv(65_536):
                        break
                except ConnectionResetError:
                    break
    assert everyone.process.poll() is None
    assert ask(everyone.ports["tgi-3.3"], "/health", None, method="GET").startswith(b"HTTP/1.1 200")


@settings(
    max_examples=size(60, 25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "messages", "prompt", "inputs", "parameters", "stream", "max_tokens", "stop",
                             "temperature", "content", "role", "stream_options", "max_new_tokens"]),
            inner, max_size=5),
        max_leaves=12,
    )
)  # fmt: skip
def test_no_json_body_can_break_a_server(everyone: Simulator, body: object) -> None:
    routes = [("vllm-0.33", PATH), ("vllm-0.1.2", PATH), ("tgi-3.3", PATH), ("llama.cpp", PATH), ("sglang", PATH),
              ("vllm-generate", "/generate"), ("tgi-3.3", "/generate"), ("vllm-0.33", "/v1/completions")]  # fmt: skip
    for name, path in routes:
        with connect(everyone.ports[name]) as sock:
            sock.sendall(request_bytes(path, {**body, "n": 1} if isinstance(body, dict) else body))
            assert sock.recv(100).startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize(
    "body", [b'{"prompt":"\\ud800 a","stream":true}', b'{"prompt":"a\\n\\u4f60\\"","stream":true}']
)
def test_odd_characters_in_a_prompt_come_back_as_json(everyone: Simulator, body: bytes) -> None:
    frames = chunks(ask(everyone.ports["vllm-generate"], "/generate", body))
    assert all(isinstance(json.loads(frame[:-1])["text"][0], str) for frame in frames)


def test_a_half_closed_client_counts_as_gone(simulate: Start) -> None:
    simulator = simulate("--speak", "vllm", "--answer-tokens", "2000")
    with connect(simulator.port) as sock:
        sock.sendall(request_bytes(PATH, chat(max_tokens=2000)))
        assert sock.recv(100)
        sock.shutdown(socket.SHUT_WR)
        (line,) = simulator.wait_lines(1)
    assert line["ended"] == "client_gone"


def test_a_client_that_does_not_read_gets_everything_later(simulate: Start) -> None:
    simulator = simulate("--speak", "fixed-rate", "--tokens-per-s", "2000", "--ttft-ms", "1", "--answer-tokens", "1500",
                         "--event-bytes", "3000")  # fmt: skip
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", simulator.port))
    sock.settimeout(10)
    with sock:
        sock.sendall(request_bytes(PATH, chat(max_tokens=1500)))
        time.sleep(0.9)
        assert ask(simulator.port, "/health", None, method="GET").startswith(b"HTTP/1.1 200")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        reply = read_reply(sock)
    assert sum(len(chunk) for chunk in chunks(reply)) > 1500 * 3000
    (line,) = simulator.wait_lines(1)
    assert line["tokens"] == 1500
    assert sum(line["events"]["tokens"]) == 1500


def test_an_idle_connection_is_closed_as_the_real_one_does(everyone: Simulator) -> None:
    with connect(everyone.ports["vllm-0.33"]) as idle, connect(everyone.ports["tgi-3.3"]) as kept:
        for sock in (idle, kept):
            sock.sendall(request_bytes("/health", None, method="GET"))
            read_reply(sock)
        begun = time.monotonic()
        assert idle.recv(1) == b""
        assert 4.5 < time.monotonic() - begun < 20
        kept.sendall(request_bytes("/health", None, method="GET"))
        assert read_reply(kept).startswith(b"HTTP/1.1 200")


def test_llama_closes_after_a_stream(everyone: Simulator) -> None:
    with connect(everyone.ports["llama.cpp"]) as sock:
        sock.sendall(request_bytes(PATH, chat(max_tokens=2)))
        assert b"Keep-Alive: timeout=5, max=100" in read_reply(sock)
        assert sock.recv(1) == b""


def test_expect_100_continue(everyone: Simulator) -> None:
    data = request_bytes(PATH, chat(max_tokens=1), headers={"Expect": "100-continue"})
    head, _, body = data.partition(b"\r\n\r\n")
    with connect(everyone.ports["vllm-0.33"]) as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_reply(sock).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name", ["tgi-3.3", "tgi-0.9.3"])
@pytest.mark.parametrize("path", ["/generate_stream", "/generate"])
def test_tgi_answers_http_1_0_in_http_1_0_without_chunks(everyone: Simulator, name: str, path: str) -> None:
    body = json.dumps({"inputs": "Once", "parameters": {"max_new_tokens": 3}}).encode()
    head = f"POST {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with connect(everyone.ports[name]) as sock:
        sock.sendall(head.encode() + body)
        reply = b"".join(iter(lambda: sock.recv(65536), b""))
    lines, _, answer = reply.partition(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"transfer-encoding" not in lines
    assert b"connection" not in lines
    events = [each for each in answer.decode().split("\n\n") if each]
    assert len(events) == (3 if "stream" in path else 1)
    assert all(json.loads(each.partition("data:")[2] or each) for each in events)


def test_tgi_refuses_bodies_over_2_mib(everyone: Simulator) -> None:
    reply = ask(everyone.ports["tgi-3.3"], "/generate", {"inputs": "x" * 3_000_000})
    assert reply.startswith(b"HTTP/1.1 413 Payload Too Large\r\n")
    assert b"text/plain" in reply


@pytest.mark.e2e
def test_wrong_options_are_all_said_at_once() -> None:
    command = [
        sys.executable,
        "-m",
        "simulator",
        "--speak",
        "nobody,vllm",
        "--fault",
        "x:1",
        "--answer-tokens",
        "0",
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 3
    assert not run.stdout


@pytest.mark.e2e
@pytest.mark.parametrize(
    "more", [["--max-batch-total-tokens", "9"], ["--profile", "nowhere"], ["--max-num-seqs", "x"]]
)
def test_a_wrong_knob_is_one_line(more: list[str]) -> None:
    command = [sys.executable, "-m", "simulator", "--speak", "vllm", "--port-base", "0", *more]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_a_port_in_use_is_one_line(everyone: Simulator) -> None:
    command = [sys.executable, "-m", "simulator", "--speak", "vllm", "--port-base", str(everyone.port)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2
    assert str(everyone.port) in run.stderr
    assert len(run.stderr.splitlines()) == 1
