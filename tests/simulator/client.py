"""A simulator in its own process, and a client that sees raw bytes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ALL = (
    "vllm,vllm-0.32,vllm-0.1.2,vllm-generate,tgi,tgi-0.9.3,llama.cpp,tabbyapi,lmdeploy,sglang,transformers,fastchat,"
    "ollama"
)
FAST = ["--answer-tokens", "6", "--seed", "7"]


class Simulator:
    """One process; `ports` by server name; `stop` returns the truth log's lines."""

    def __init__(self, arguments: list[str], truth: Path) -> None:
        command = [sys.executable, "-m", "simulator", "--port-base", "0", "--truth", str(truth), *arguments]
        self.truth = truth
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
        )
        self.ports: dict[str, int] = {}
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())
            if " listening on " in line:
                self.ports[line.split()[1]] = int(line.split("http://")[1].split()[0].rpartition(":")[2])
            if line.strip() == "simulator: ready":
                return
        raise AssertionError(f"the simulator did not start: {self.said}")

    @property
    def port(self) -> int:
        """The first server's."""
        return next(iter(self.ports.values()))

    def lines(self) -> list[dict[str, Any]]:
        """The truth log so far, without a line that is being written."""
        if not self.truth.exists():
            return []
        *whole, _ = self.truth.read_text().split("\n")
        return [json.loads(line) for line in whole]

    def wait_lines(self, count: int, limit_s: float = 5.0) -> list[dict[str, Any]]:
        """The truth log once it has `count` lines."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            lines = self.lines()
            if len(lines) >= count:
                return lines
            time.sleep(0.01)
        raise AssertionError(f"only {len(self.lines())} of {count} lines in the truth log")

    def stop(self) -> list[dict[str, Any]]:
        """SIGTERM; all lines."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(10) == 0
        return self.lines()


def request_bytes(path: str, body: Any, method: str = "POST", headers: dict[str, str] | None = None) -> bytes:
    """A request; a dict becomes JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = {"host": "test", "content-type": "application/json", **(headers or {})}
    if data or method == "POST":
        lines["content-length"] = str(len(data))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data


def read_reply(sock: socket.socket) -> bytes:
    """Bytes until the HTTP framing says the message is complete, or the peer closes."""
    data = b""
    while True:
        head, gap, body = data.partition(b"\r\n\r\n")
        if gap:
            lower = head.lower()
            if b"transfer-encoding: chunked" in lower:
                if body.endswith(b"0\r\n\r\n") and (body == b"0\r\n\r\n" or body.endswith(b"\r\n0\r\n\r\n")):
                    return data
            elif b"content-length: " in lower:
                length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    return data
        more = sock.recv(65_536)
        if not more:
            return data
        data += more


def connect(port: int) -> socket.socket:
    """A client's socket."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask(port: int, path: str, body: Any, **more: Any) -> bytes:
    """One request on its own connection; the whole reply."""
    with connect(port) as sock:
        sock.sendall(request_bytes(path, body, **more))
        return read_reply(sock)


def chunks(reply: bytes) -> list[bytes]:
    """The HTTP chunks of a chunked body, the last empty one left out."""
    body = reply.partition(b"\r\n\r\n")[2]
    found: list[bytes] = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n"
            break
        found.append(rest[:length])
        assert rest[length : length + 2] == b"\r\n"
        body = rest[length + 2 :]
    return found


def chat(stream: bool = True, **more: Any) -> dict[str, Any]:
    """A chat body."""
    messages = [{"role": "user", "content": "Once a upon time,"}]
    return {"model": "llama-2", "messages": messages, "stream": stream, "max_tokens": 4, **more}
