"""How much later than scheduled the simulator sends: `python -m lab.calibration.send_delay --streams 400`.

Starts a simulator and, in another process, a client that opens raw sockets and throws away what it reads.
Lateness = stamp of a send − the instant it was due, from the truth log's `server` line; for the metronome it
is also computed anew from each request's own events.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARRIVALS_PER_S = 500
END = b"\r\n0\r\n\r\n"


def main() -> int:
    """Run one benchmark and print its line; 1 if a limit is given and missed."""
    parser = argparse.ArgumentParser(prog="python -m lab.calibration.send_delay", description=__doc__)
    parser.add_argument("--streams", type=int, default=400)
    parser.add_argument("--tokens-per-s", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--mode", choices=("metronome", "burst", "vllm", "tgi"), default="metronome")
    parser.add_argument("--limit-ms", type=float, help="exit 1 if p99 is above")
    parser.add_argument("--drain", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drain:
        _drain(given.drain, given.streams, int(given.tokens_per_s * given.seconds))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.jsonl"
        server = _start(given, truth)
        try:
            port = _port_of(server)
            again = [
                sys.executable,
                "-m",
                "lab.calibration.send_delay",
                "--drain",
                str(port),
                "--streams",
                str(given.streams),
            ]
            again += ["--tokens-per-s", str(given.tokens_per_s), "--seconds", str(given.seconds)]
            subprocess.run(again, check=True, timeout=given.seconds * 4 + 30)
        except subprocess.CalledProcessError:
            print(f"the client failed; the simulator's exit code: {server.poll()}", file=sys.stderr)
            raise
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)
        lines = [json.loads(line) for line in truth.read_text().splitlines()]
    return _report(given, lines)


def _start(given: argparse.Namespace, truth: Path) -> subprocess.Popen[str]:
    tokens = int(given.tokens_per_s * given.seconds)
    speak = given.mode if given.mode in ("vllm", "tgi") else "metronome"
    command = [sys.executable, "-m", "simulator", "--speak", speak, "--port-base", "0", "--truth", str(truth)]
    command += ["--answer-tokens", str(tokens), "--tokens-per-s", str(given.tokens_per_s)]
    if given.mode == "burst":
        command.append("--burst")
    if given.mode == "vllm":
        command += ["--max-num-seqs", str(given.streams)]
    if given.mode == "tgi":
        command += ["--max-concurrent-requests", str(given.streams), "--max-batch-total-tokens", "10000000"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _port_of(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None
    port = 0
    for line in server.stdout:
        if "listening on" in line:
            port = int(line.split("http://")[1].split()[0].rpartition(":")[2])
        if line.strip() == "simulator: ready":
            return port
    raise RuntimeError("the simulator did not start")


def _drain(port: int, streams: int, tokens: int) -> None:
    """Open the streams one after the other and read until each has ended."""
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
        f"(publication begun: p50 {steps['p50_ms']}, p99 {steps['p99_ms']})"
    )
    if given.mode == "metronome":
        late = sorted(_late_ms(replies, given.tokens_per_s))
        print(
            f"  anew from the events: p50 {late[len(late) // 2]:.3f} ms, p99 {late[int(len(late) * 0.99)]:.3f} ms"
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
