"""A tiny server with exact timing: the k-th POST gets the k-th case of a table; logs when it really sent.

python truth_server.py TABLE LOG    (prints its port; one thread a connection; loopback only)
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from truth_cases import TABLES, Case


class Script:
    """Hands out cases in order and keeps the log."""

    def __init__(self, table: str, log: str) -> None:
        self.cases = list(TABLES[table])
        self.log = open(log, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the server
        self.lock = threading.Lock()
        self.next = 0

    def take(self) -> Case:
        with self.lock:
            case = self.cases[self.next % len(self.cases)]
            self.next += 1
            return case

    def note(self, name: str, received_ns: int, sent_ns: list[int]) -> None:
        with self.lock:
            self.log.write(json.dumps({"case": name, "received_ns": received_ns, "sent_ns": sent_ns}) + "\n")
            self.log.flush()


def read_request(conn: socket.socket) -> bytes | None:
    """The request line of one whole request; None when the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += conn.recv(65536)
    return head.split(b"\r\n")[0]


def play(conn: socket.socket, case: Case, script: Script) -> bool:
    """Send one case; True if the connection stays open."""
    start_ns = time.perf_counter_ns()
    conn.sendall(case.head)
    sent = []
    for at_ms, data in case.steps:
        pause_s = at_ms / 1e3 - (time.perf_counter_ns() - start_ns) / 1e9
        if pause_s > 0:
            time.sleep(pause_s)
        sent.append(time.perf_counter_ns())
        conn.sendall(b"%x\r\n%s\r\n" % (len(data), data))
    script.note(case.name, start_ns, sent)
    if case.end == "reset":
        time.sleep(0.05)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    if case.end == "cut":
        return False
    if case.chunked:
        conn.sendall(b"0\r\n\r\n")
    return True


def serve(conn: socket.socket, script: Script) -> None:
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with conn:
        while True:
            line = read_request(conn)
            if line is None:
                return
            if not line.startswith(b"POST"):
                conn.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            elif not play(conn, script.take(), script):
                return


def main() -> None:
    script = Script(sys.argv[1], sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(conn, script), daemon=True).start()


if __name__ == "__main__":
    main()
