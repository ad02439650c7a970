"""How much later than scheduled the simulator sends: `python -m lab.calibration.send_delay --streams 400`.

Starts a simulator and, in another process, a client that opens raw sockets and discards what it reads.
Lateness = stamp of a send − the instant it was due, from the truth log's `server` line; in mode fixed-rate it
is also computed from each request's own events.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab.simulated_server import TRUTH, simulated

ARRIVALS_PER_S = 500
REAL = ("vllm", "tgi")
"""Modes with the engine of a real server; the others send on a fixed schedule."""
END = b"\r\n0\r\n\r\n"


def main() -> int:
    """Run one benchmark and print its line; 1 if a limit is given and missed."""
    parser = argparse.ArgumentParser(prog="python -m lab.calibration.send_delay", description=__doc__)
    parser.add_argument("--streams", type=int, default=400)
    parser.add_argument("--tokens-per-s", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--mode", choices=("fixed-rate", "burst", *REAL), default="fixed-rate")
    parser.add_argument("--limit-ms", type=float, help="exit 1 if p99 is above")
    parser.add_argument("--drain", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drain:
        _drain(given.drain, given.streams, int(given.tokens_per_s * given.seconds))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with simulated(
            given.mode if given.mode in REAL else "fixed-rate", _arguments(given), folder
        ) as server:
            again = [
                sys.executable,
                "-m",
                "lab.calibration.send_delay",
                "--drain",
                server.host.rpartition(":")[2],
            ]
            again += ["--streams", str(given.streams), "--tokens-per-s", str(given.tokens_per_s)]
            again += ["--seconds", str(given.seconds)]
            subprocess.run(again, check=True, timeout=given.seconds * 4 + 30)
        lines = [json.loads(line) for line in (folder / TRUTH).read_text().splitlines()]
    return _report(given, lines)


def _arguments(given: argparse.Namespace) -> list[str]:
    """The simulator's options: answers that long, and room for all streams at once."""
    tokens = int(given.tokens_per_s * given.seconds)
    arguments = ["--answer-tokens", str(tokens), "--tokens-per-s", str(given.tokens_per_s)]
    if given.mode == "burst":
        return [*arguments, "--burst"]
    if given.mode == "vllm":
        return [*arguments, "--max-num-seqs", str(given.streams)]
    if given.mode == "tgi":
        room = ["--max-concurrent-requests", str(given.streams), "--max-batch-total-tokens", "10000000"]
        return [*arguments, *room]
    return arguments


def _drain(port: int, streams: int, tokens: int) -> None:
    """Open the streams one after another and read until each has ended."""
    body = json.dumps(
        {
            "model": "llama-2",
            "messages": [{"role": "user", "content": "Once upon a time,"}],
            "stream": True,
            "max_tokens": tokens,
            "ignore_eos": True,
        }
    ).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}"
    request = head.encode() + b"\r\n\r\n" + body
    poll = select.epoll()
    open_sockets: dict[int, socket.socket] = {}
    for _ in range(streams):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(request)
        sock.setblocking(False)
        open_sockets[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
        time.sleep(1 / ARRIVALS_PER_S)
    tails = dict.fromkeys(open_sockets, b"")
    while open_sockets:
        time.sleep(0.01)  # read in batches: the reader must not take the server's core
        for fd, _event in poll.poll():
            data = open_sockets[fd].recv(1 << 18)
            tails[fd] = (tails[fd] + data)[-len(END) :]
            if not data or tails[fd] == END:
                poll.unregister(fd)
                open_sockets.pop(fd).close()


def _report(given: argparse.Namespace, lines: list[dict[str, object]]) -> int:
    server = next(line for line in lines if line["kind"] == "server")
    replies = [line for line in lines if line["kind"] == "request"]
    complete = sum(line["ended"] == "complete" for line in replies)
    writes, steps = server["writes"], server["steps"]
    assert isinstance(writes, dict) and isinstance(steps, dict)
    print(
        f"{given.mode}: {given.streams} streams x {given.tokens_per_s:g} tokens/s: {complete} complete, "
        f"{writes['n']} writes, late p50 {writes['p50_ms']} ms, p99 {writes['p99_ms']} ms, max {writes['max_ms']} ms "
        f"(step begun: p50 {steps['p50_ms']}, p99 {steps['p99_ms']})"
    )
    if given.mode == "fixed-rate":
        late = sorted(_late_ms(replies, given.tokens_per_s))
        print(
            f"  from the events: p50 {late[len(late) // 2]:.3f} ms, p99 {late[int(len(late) * 0.99)]:.3f} ms"
        )
    return int(given.limit_ms is not None and writes["p99_ms"] > given.limit_ms)


def _late_ms(replies: list[dict[str, object]], tokens_per_s: float, ttft_ms: float = 100.0) -> list[float]:
    """Stamp of token k − (received + ttft + k / rate), for all tokens of all replies."""
    late: list[float] = []
    for reply in replies:
        received, events = reply["received_ns"], reply["events"]
        assert isinstance(received, int) and isinstance(events, dict)
        token = 0
        for at_ns, count in zip(events["sent_ns"], events["tokens"], strict=True):
            if count:
                late.append((at_ns - received) / 1e6 - ttft_ms - token * 1e3 / tokens_per_s)
                token += count
    return late


if __name__ == "__main__":
    sys.exit(main())
