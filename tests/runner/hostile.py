"""Replies without an end or without sense: what a server may send to fill a client's memory or keep its users.

Each is (first bytes, the bytes sent again and again after them). A server sends until the client hangs up.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import orjson

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
UNTIL_CLOSED = OK + b"connection: close\r\n\r\n"
BLOCK = b"x" * 8000


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(content: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":%b}}]}\n\n' % orjson.dumps(content)


TOKEN = chunk(event(" token"))

HEADS: dict[str, tuple[bytes, bytes]] = {
    "status line without end": (b"HTTP/1.1 200 ", BLOCK),
    "header line without end": (OK + b"x-long: ", BLOCK),
    "header name without end": (OK, BLOCK),
    "headers without end": (OK, b"x-more: yes\r\n" * 500),
    "empty headers without end": (OK, b"a:\r\n" * 2000),
    "empty lines before the reply": (b"", b"\r\n" * 4000),
    "flood of 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 300),
    "flood of 103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * 7000 + b"\r\n\r\n"),
    "chunk extension without end": (CHUNKED + TOKEN + b"5;", BLOCK),
    "chunk extensions without end": (CHUNKED + TOKEN, b"1;" + BLOCK + b"\r\nx\r\n"),
    "chunk size of zeros": (CHUNKED + TOKEN, b"0" * 8000),
    "trailer line without end": (CHUNKED + TOKEN + b"0\r\nx-long: ", BLOCK),
    "trailers without end": (CHUNKED + TOKEN + b"0\r\n", b"x-more: yes\r\n" * 500),
    "trailers after a long body": (CHUNKED + TOKEN * 3000 + b"0\r\n", b"x-more: yes\r\n" * 500),
}
"""More than 64 KiB of headers, trailers and framing."""

SECONDS: dict[str, tuple[bytes, bytes]] = {
    "flood of 302 Found": (b"", b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n" * 100),
    "flood of 304 Not Modified": (b"", b"HTTP/1.1 304 Not Modified\r\n\r\n" * 100),
    "second reply": (OK + b"content-length: 2\r\n\r\nok" + OK + b"content-length: 2\r\n\r\nno", BLOCK),
    "body after its length": (OK + b"content-length: 2\r\n\r\nok and more", BLOCK),
    "body after the last chunk": (CHUNKED + TOKEN + b"0\r\n\r\n" + TOKEN, TOKEN),
}
"""Something after the end of the reply."""

BODIES: dict[str, tuple[bytes, bytes]] = {
    "event without end": (UNTIL_CLOSED + b'data: {"choices":[{"delta":{"content":"', BLOCK),
    "event of lines without end": (UNTIL_CLOSED, b"data: x\n" * 20),
    "tokens without end": (CHUNKED, TOKEN * 100),
    "text without end": (CHUNKED, chunk(event("x" * 100_000))),
    "wide text without end": (CHUNKED, chunk(event("\N{ROCKET}" * 50_000))),
    "event of small objects": (CHUNKED, chunk(b'data: {"choices":[' + b"{}," * 300_000 + b"{}]}\n\n")),
    "event of small lists that is no JSON": (
        CHUNKED,
        chunk(b'data: {"a":[' + b"[]," * 300_000 + b"NaN]}\n\n"),
    ),
    "wide events without end": (CHUNKED, chunk(event("x" * 5_000_000 + "\N{ROCKET}"))),
    "event of many members": (CHUNKED, chunk(b'data: {"a":[' + b'{"a":1},' * 600_000 + b"NaN]}\n\n")),
    "long lines without end": (UNTIL_CLOSED, (b"data: " + b"x" * 6000 + b"\n") * 10),
    "comments without end": (CHUNKED, chunk(b": ping\n\n") * 500),
    "other answers without end": (CHUNKED, chunk(b'data: {"choices":[]}\n\n') * 100),
}
"""Good HTTP that holds too much, or nothing, for ever."""

ALL = HEADS | SECONDS | BODIES


@contextmanager
def hostile_server(reply: tuple[bytes, bytes]) -> Iterator[str]:
    """Answers each connection with `reply`, 64 MB of it at most; gives its address."""
    first, again = reply

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(20)
                connection.recv(65536)
                connection.sendall(first)
                for _ in range(64_000_000 // len(again)):
                    connection.sendall(again)
            except OSError:
                return  # the client hung up, as it should

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
