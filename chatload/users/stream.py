"""One reply while it comes in: bytes parked with a stamp for each read, decoded by whoever asked.

HTTP framing (llhttp, through geventhttpclient) is done as reads come in: it tells where a message ends.
The user's greenlet is woken when its message is complete, when much is parked, or when a deadline is over.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent.event
from geventhttpclient.response import HTTPParseError, HTTPResponse

from chatload.errors import TurnError
from chatload.users.connection import Connection
from chatload.wire.chunked import whole_chunks

WAKE_AT_BYTES = 8 * 1024
"""Parked bytes at which the user's greenlet is woken to decode: bounds the memory of a long answer."""
LARGEST_REPLY_BYTES = 256 * 1024 * 1024


def _nothing() -> None:
    return None


class Message(HTTPResponse):
    """geventhttpclient's parser of one response, handing body bytes on instead of hoarding them."""

    def __init__(self) -> None:
        super().__init__("POST")
        self.pieces: list[bytes] = []

    def _on_body(self, buf: bytearray) -> None:
        self.pieces.append(bytes(buf))


class ReplyStream:
    """One reply while it comes in: the reads of its body, and a stamp for each of them.

    `stamps[i]` is the instant (ns) of body read i, and stays; the bytes go to whoever asks `body_reads`.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.receive: Callable[[int, int], tuple[bytes, list[Any], int, Any]] | None = None
        self.stamps = array("q")
        self.headers_ns: int | None = None
        self.ended_ns = 0
        self.unstamped = 0
        self.raw_reads = 0
        self.bytes = 0
        self.problem: TurnError | None = None
        self.complete = False
        self.check_ns = 0
        self.eager = False  # True: wake the user's greenlet at every read
        self.on_wake: Callable[[], None] = _nothing
        self._message = Message()
        self._between_chunks = False
        self._parked: deque[bytes] = deque()
        self._parked_bytes = 0
        self._woken = gevent.event.Event()

    @property
    def status(self) -> int:
        """The HTTP status; 0 before the headers are in."""
        return int(self._message.get_code()) if self.headers_ns is not None else 0

    def header(self, name: str) -> str:
        """One response header, empty if absent."""
        value = self._message.get(name, "")
        return value if isinstance(value, str) else ", ".join(value or ())

    @property
    def reusable(self) -> bool:
        """True when the message ended cleanly and the server keeps the connection open."""
        return self.complete and not self._message.should_close()

    @property
    def stamp_source(self) -> str:
        """kernel, user or mixed: where the stamps came from."""
        if self.unstamped == 0 and self.raw_reads:
            return "kernel"
        return "user" if self.unstamped == self.raw_reads else "mixed"

    def body_reads(self) -> Iterator[bytes]:
        """The body, read by read, without HTTP framing; waits for more. Raises TurnError if it breaks."""
        while True:
            while self._parked:
                data = self._parked.popleft()
                self._parked_bytes -= len(data)
                yield data
            if self.problem is not None:
                raise self.problem
            if self.complete:
                return
            self.on_wake()
            self._woken.clear()
            self._woken.wait()

    def wake(self) -> None:
        """Let the user's greenlet look: something to decode, or a deadline."""
        self._woken.set()

    def feed(self, data: bytes, at_ns: int) -> bool:
        """Take one socket read in; empty data means the server closed. False when nothing more is to be read."""
        if self._between_chunks:
            body = whole_chunks(data)
            if body is not None:
                self._park(body, at_ns)
                return self.problem is None
            self._between_chunks = False
        self._parse(data, at_ns)
        return not self.complete and self.problem is None

    def forget(self) -> None:
        """Drop what points back at us: a cycle would keep the whole reply until the next full collection."""
        self.on_wake = _nothing
        self.receive = None

    def _parse(self, data: bytes, at_ns: int) -> None:
        message = self._message
        try:
            message.feed(data)
        except HTTPParseError as error:
            self._fail_parse(data, error)
            return
        if self.headers_ns is None and message.headers_complete and message.get_code() >= 200:
            self.headers_ns = at_ns
            chunked = self.header("transfer-encoding").lower() == "chunked"
            self._between_chunks = chunked and data.endswith(b"\r\n\r\n") and not message.pieces
        if message.pieces:
            body = b"".join(message.pieces) if len(message.pieces) > 1 else message.pieces[0]
            message.pieces = []
            self._park(body, at_ns)
        if message.message_complete and self.headers_ns is not None:
            self.complete = True
            self.ended_ns = at_ns
            self._woken.set()
        elif not data:
            self.fail(TurnError("truncated", f"server closed the connection after {self.bytes} body bytes"))

    def _park(self, body: bytes, at_ns: int) -> None:
        size = len(body)
        self.stamps.append(at_ns)
        self.bytes += size
        self._parked.append(body)
        self._parked_bytes += size
        if self.eager or self._parked_bytes >= WAKE_AT_BYTES:
            if self.bytes > LARGEST_REPLY_BYTES:
                self.fail(TurnError("bad_wire", f"reply of more than {LARGEST_REPLY_BYTES} bytes"))
            self._woken.set()

    def _fail_parse(self, data: bytes, error: HTTPParseError) -> None:
        if not data:
            self.fail(TurnError("truncated", f"server closed the connection after {self.bytes} body bytes"))
        elif self.complete:
            self._message._trailing_data_dropped = (
                True  # bytes after the message: the connection is not clean
            )
        else:
            self.fail(TurnError("bad_wire", f"not HTTP: {error}: {data[:60]!r}"))

    def fail(self, problem: TurnError) -> None:
        """End the stream with `problem`; what was parked before it can still be decoded."""
        if self.problem is None and not self.complete:
            self.problem = problem
        self._woken.set()
