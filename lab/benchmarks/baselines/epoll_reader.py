"""A lower bound of the cost: one epoll, one recv per event, a clock read. No HTTP, no JSON, no Locust.

An answer ends with its last chunk; its first token is taken to be its first body byte.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

USERS = int(os.environ["BENCH_USERS"])
RATE = float(os.environ["BENCH_RATE"])
TURNS = int(os.environ["BENCH_TURNS"])
THINK_NS = int(float(os.environ["BENCH_THINK_S"]) * 1e9)
HOST = urlsplit(os.environ["BENCH_HOST"])
PROMPT = "Once a upon time,"
CHAT = {"model": "llama-2", "messages": [{"role": "user", "content": PROMPT}], "stream": True}
BODY = json.dumps(
    {**CHAT, "max_tokens": int(os.environ["BENCH_TOKENS"]), "inputs": PROMPT, "prompt": PROMPT}
).encode()
PATH = {"openai": "/v1/chat/completions", "tgi": "/generate_stream", "nul": "/generate"}[
    os.environ["BENCH_WIRE"]
]


class User:
    """One user's connection."""

    def __init__(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self.left = TURNS
        self.sock: socket.socket | None = None
        self.request_id = ""
        self.sent_ns = self.first_ns = 0

    def send(self) -> socket.socket:
        sock = self.sock
        if sock is None:
            sock = self.sock = socket.create_connection((HOST.hostname, HOST.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        self.request_id, self.first_ns = uuid4().hex, 0
        head = f"POST {PATH} HTTP/1.1\r\nHost: {HOST.netloc}\r\nX-Request-Id: {self.request_id}\r\n"
        message = (
            f"{head}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
        )
        self.sent_ns = time.perf_counter_ns()
        sock.send(message)
        return sock


def main() -> None:
    now = time.perf_counter_ns
    start = now()
    idle = [User(start + int(i / RATE * 1e9)) for i in range(USERS)]
    busy: dict[int, User] = {}
    epoll, answers = select.epoll(), []
    while idle or busy:
        at = now()
        while idle and idle[0].due_ns <= at:
            user = idle.pop(0)
            fd = user.send().fileno()
            if fd not in busy:
                epoll.register(fd, select.EPOLLIN)
            busy[fd] = user
        wait_s = max(0.0, (idle[0].due_ns - at) / 1e9) if idle else 1.0
        for fd, _ in epoll.poll(min(wait_s, 1.0), 4096):
            user = busy[fd]
            data = user.sock.recv(65536)  # type: ignore[union-attr]
            at = now()
            if not user.first_ns and not data.endswith(b"\r\n\r\n"):
                user.first_ns = at
            if data.endswith(b"0\r\n\r\n") or not data:
                epoll.unregister(fd)
                del busy[fd]
                answers.append((user.request_id, user.sent_ns, user.first_ns, at))
                user.left -= 1
                if user.left and data:
                    user.due_ns = at + THINK_NS
                    idle.append(user)
                    idle.sort(key=lambda each: each.due_ns)
    keys = ("request_id", "sent_ns", "first_ns", "last_ns")
    lines = (json.dumps(dict(zip(keys, answer, strict=True))) + "\n" for answer in answers)
    Path(os.environ["BENCH_OUT"]).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
