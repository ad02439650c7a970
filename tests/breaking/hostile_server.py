"""A chat server on 127.0.0.1 that answers each POST with one behaviour, good or bad, and counts them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

EVENT_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MODELS = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
MOST_CONNECTIONS = 500
MOST_MIB = 64
"""What one flood sends at most, so that a client without bounds fails its test and not the machine."""


class HostileServer:
    """Serves until `close`; each connection has a thread of its own."""

    def __init__(self, behaviour: Behaviour, *, get_too: bool = False, delay_s: float = 0.0) -> None:
        self._behaviour, self._get_too = behaviour, get_too
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._connections: list[socket.socket] = []
        self._delay_s = delay_s
        self.closed = threading.Event()
        self.posts = 0
        self.heads: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def _port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Stop listening and break every connection."""
        self.closed.set()
        for one in (self._listener, *self._connections):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # was not connected any more
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            if len(self._connections) > MOST_CONNECTIONS:
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                while self._one(connection):
                    pass
        except (OSError, ValueError):
            return  # the client has left, or this server was closed

    def _one(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return False
            head += more
        head, _, body = head.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += connection.recv(65536)
        self.heads.append(head)
        if head.startswith(b"POST"):
            self.posts += 1
        elif not self._get_too:
            known = head.split()[1].endswith(b"/v1/models")
            connection.sendall(plain(200, MODELS, b"application/json") if known else plain(404, b"{}"))
            return True
        self.closed.wait(self._delay_s)
        return self._behaviour(self, connection)


Behaviour = Callable[[HostileServer, socket.socket], bool]
"""Answers one request; False to close the connection."""


def plain(status: int, body: bytes, content_type: bytes = b"text/plain", more: bytes = b"") -> bytes:
    """A whole answer with a length."""
    lengths = b"content-length: %d\r\ncontent-type: %s\r\n" % (len(body), content_type)
    return b"HTTP/1.1 %d X\r\n" % status + lengths + more + b"\r\n" + body


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def event(content: bytes) -> bytes:
    """One event in a chunk of its own."""
    return chunk(b"data: " + content + b"\n\n")


def words(text: bytes = b"word ") -> bytes:
    return event(b'{"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}' % text)


FINISH = event(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
DONE = event(b"[DONE]") + b"0\r\n\r\n"


def sends(*parts: bytes, keep: bool = False) -> Behaviour:
    """Send `parts`, then close the connection, or keep it."""

    def behave(_: HostileServer, connection: socket.socket) -> bool:
        for part in parts:
            connection.sendall(part)
        return keep

    return behave


def usage(completion_tokens: bytes) -> Behaviour:
    """A good reply whose token count is this JSON text."""
    counted = b'{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":%s}}' % completion_tokens
    return sends(EVENT_STREAM, words() * 3, FINISH, event(counted), DONE, keep=True)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Each request gets the next of these; the last one stays."""

    def behave(server: HostileServer, connection: socket.socket) -> bool:
        return behaviours[min(server.posts, len(behaviours)) - 1](server, connection)

    return behave


def good(server: HostileServer, connection: socket.socket) -> bool:
    """A reply of three words, as a server sends them: apart."""
    for part in (EVENT_STREAM, words(), words(), words() + FINISH + DONE):
        server.closed.wait(0.01)
        connection.sendall(part)
    return True


def never(server: HostileServer, _: socket.socket) -> bool:
    """Accepts, reads and says nothing."""
    server.closed.wait(30)
    return False


def one_word_then_silence(server: HostileServer, connection: socket.socket) -> bool:
    connection.sendall(EVENT_STREAM + words())
    return never(server, connection)


def dies_mid_stream(server: HostileServer, connection: socket.socket) -> bool:
    """Nobody listens any more after the first word of the first reply."""
    connection.sendall(EVENT_STREAM + words())
    server.close()
    return False


def resets(_: HostileServer, connection: socket.socket) -> bool:
    connection.sendall(EVENT_STREAM + words())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def floods(first: bytes, again: bytes) -> Behaviour:
    """`first`, then `again` without end (up to MOST_MIB)."""

    def behave(_: HostileServer, connection: socket.socket) -> bool:
        connection.sendall(first)
        block = again * max(1, 65536 // len(again))
        for _i in range(MOST_MIB * 2**20 // len(block)):
            connection.sendall(block)
        return False

    return behave


def echoes_the_key(server: HostileServer, connection: socket.socket) -> bool:
    """Refuses the request in words that quote its Authorization header."""
    lines = [line for line in server.heads[-1].split(b"\r\n") if line.lower().startswith(b"authorization")]
    connection.sendall(
        plain(400, b'{"error":{"message":"you sent %s"}}' % b"".join(lines), b"application/json")
    )
    return True
