"""A server that sends the cases at their exact times, and logs when it really sent. Loopback only, a thread a client.

POST /SLUG/v1/chat/completions plays the case of that name, and GET /SLUG/v1/models lists one model, "truth". The k-th
POST to any other path plays the k-th case of the table.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from lab.truth_table.case import Case

MODELS = json.dumps(
    {"object": "list", "data": [{"id": "truth", "object": "model", "owned_by": "lab"}]}
).encode()
OPEN_S = 60.0
"""How long a reply without an end is kept open."""


@dataclass(frozen=True)
class Played:
    """One reply as it was sent: step i went out between `sent_ns[i]` and `sent_by_ns[i]` (perf_counter_ns).

    A thread of a busy process may wait between the two. `request_id` is the client's.
    """

    case: str
    request_id: str
    received_ns: int
    sent_ns: tuple[int, ...]
    sent_by_ns: tuple[int, ...]


class TruthServer:
    """Serves `cases`; `log` gets a JSON line for each reply, `played` its facts."""

    def __init__(self, cases: Sequence[Case], port: int = 0, log: TextIO | None = None) -> None:
        self._cases = {case.slug: case for case in cases}
        self._order = list(cases)
        self._next = 0
        self._lock = threading.Lock()
        self._log = log
        self.played: list[Played] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve_forever(self) -> None:
        """Accept clients until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _case(self, path: str) -> Case:
        """The case of a path, else the next one."""
        named = self._cases.get(path.lstrip("/").partition("/")[0])
        if named is not None:
            return named
        with self._lock:
            self._next += 1
            return self._order[(self._next - 1) % len(self._order)]

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            try:
                while (head := read_request(connection)) is not None:
                    method, path, request_id = _asked(head)
                    if method == "POST":
                        if not self._play(connection, self._case(path), request_id):
                            return
                    elif path.endswith("/v1/models") and path != "/v1/models":
                        connection.sendall(_answer(b"200 OK", MODELS))
                    else:
                        connection.sendall(_answer(b"404 Not Found", b""))
            except (ConnectionError, TimeoutError):
                return  # the client is gone

    def _play(self, connection: socket.socket, case: Case, request_id: str) -> bool:
        """Send one case; True if the connection stays open."""
        start_ns = time.perf_counter_ns()
        connection.sendall(case.head)
        sent, sent_by = [], []
        for at_ms, data in case.steps:
            pause_s = at_ms / 1e3 - (time.perf_counter_ns() - start_ns) / 1e9
            if pause_s > 0:
                time.sleep(pause_s)
            sent.append(time.perf_counter_ns())
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            sent_by.append(time.perf_counter_ns())
        self._note(Played(case.name, request_id, start_ns, tuple(sent), tuple(sent_by)))
        if case.end == "reset":
            time.sleep(0.05)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if case.end == "cut":
            return False
        if case.end == "open":
            connection.settimeout(OPEN_S)
            connection.recv(1)
            return False
        if case.chunked:
            connection.sendall(b"0\r\n\r\n")
        return True

    def _note(self, played: Played) -> None:
        with self._lock:
            self.played.append(played)
            if self._log is not None:
                self._log.write(json.dumps(played.__dict__) + "\n")
                self._log.flush()


def read_request(connection: socket.socket) -> bytes | None:
    """The head of one whole request; None when the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(_header(head, b"content-length") or 0) - len(body)
    while missing > 0:
        more = connection.recv(65536)
        if not more:
            return None
        missing -= len(more)
    return head


def serve(cases: Sequence[Case], port: int, log: TextIO | None, say: Callable[[str], object]) -> int:
    """Serve until interrupted; `say` gets the address."""
    server = TruthServer(cases, port, log)
    say(f"{server.address}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.close()
    return 0


def _asked(head: bytes) -> tuple[str, str, str]:
    """(method, path, X-Request-Id) of a request."""
    method, path = [*head.split(b"\r\n")[0].split(b" "), b"", b""][:2]
    return method.decode("latin-1"), path.decode("latin-1"), _header(head, b"x-request-id")


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().decode("latin-1")
    return ""


def _answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        status, len(body), body,
    )  # fmt: skip
