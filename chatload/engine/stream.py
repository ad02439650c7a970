"""One reply while it arrives: bytes are buffered with a stamp for each read, and decoded by the user's greenlet.

A read whose end looks like that of an event and its chunk stays unframed, and is framed together with others later. Any
other may end the message, and is framed at once (by llhttp through geventhttpclient, or by `protocols/http_chunks.py`
for whole chunks). The user's greenlet is woken when the message is complete, much is buffered, or a limit is due.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

import gevent.event
from geventhttpclient.response import HTTPParseError, HTTPProtocolViolationError, HTTPResponse

from chatload.engine.begun_replies import OpenReply
from chatload.engine.clock import now_ns
from chatload.engine.connection import Ancillary, Connection, Received
from chatload.engine.wall_offset import WallOffset
from chatload.model.errors import TurnError
from chatload.protocols.body_reads import BodyReads
from chatload.protocols.http_chunks import whole_chunks, whole_chunks_each

WAKE_AT_BYTES = 32 * 1024
WAKE_AT_READS = 40
"""Buffered bytes, and reads of unknown size, at which the user's greenlet is woken to decode, which bounds the memory
of a long answer. Larger batches are hardly cheaper; 32 kB each for 400 users are 13 MB."""
READ_OVERHEAD_BYTES = 64
"""Memory of an unframed read in addition to its bytes: the object, its list entry, its stamp."""
LARGEST_REPLY_BYTES = 256 * 1024 * 1024
MOST_READS = 2 * 1024 * 1024
"""Most body reads of one reply, each with a stamp of 8 bytes."""
LARGEST_HEAD_BYTES = 64 * 1024
"""Limit of status line, headers, trailers and interim (1xx) responses of one reply, with excessive chunk framing."""
FRAMING_BYTES = 16
"""Chunk framing per body byte that is not excessive: a chunk of one byte whose size has ten digits needs less."""
TOO_LONG_A_HEAD = f"headers, trailers or chunk framing of more than {LARGEST_HEAD_BYTES} bytes"
TOO_LONG_A_REPLY = f"a reply of more than {LARGEST_REPLY_BYTES} bytes or {MOST_READS} reads"
MORE_AFTER_THE_END = "the server sent more after the end of its reply"
READ_BYTES, LARGEST_READ_BYTES = 447, 8192
"""Buffer sizes for reads of short events, and for others. Python allocates up to 447 bytes without malloc."""
EVENT_AND_CHUNK_END = b"\n\n\r\n"
ANCILLARY_BYTES = 64
TIMESPEC = struct.Struct("qq").unpack_from


def _nothing() -> None:
    return None


class Message(HTTPResponse):
    """geventhttpclient's parser of one response, which returns body bytes instead of keeping them."""

    def __init__(self) -> None:
        super().__init__("POST")
        self.pieces: list[bytes] = []
        self.final = False

    def _on_message_begin(self) -> None:
        """Refuse a second response unless the first is interim (1xx); the base class would merge the two."""
        if self.final:
            raise HTTPProtocolViolationError("a second response")
        super()._on_message_begin()

    def _on_headers_complete(self) -> Any:
        self.final = self.get_code() >= 200
        return super()._on_headers_complete()

    def take_body(self) -> bytes:
        """The body bytes of the data fed since the last call."""
        if not self.pieces:
            return b""
        body = b"".join(self.pieces) if len(self.pieces) > 1 else self.pieces[0]
        self.pieces = []
        return body

    def _on_body(self, buf: bytearray) -> None:
        self.pieces.append(bytes(buf))


class Wakeup(Protocol):
    """The event that a user's greenlet waits for: gevent's, or a script in tests."""

    def set(self) -> None:
        """Wake the greenlet."""

    def clear(self) -> None:
        """Make `wait` block again."""

    def wait(self) -> object:
        """Block until `set` is called."""


class ReplyStream:
    """One reply while it arrives: the reads of its body (`reads`), and a stamp for each of them.

    `stamps[i]` is the instant (ns) of body read i. Stamps are kept; the bytes are not, once taken from `reads`.
    `between_chunks`: received data may stay unframed, to be framed later together with other reads.
    """

    def __init__(self, connection: Connection, offset: WallOffset, woken: Wakeup | None = None) -> None:
        self.connection = connection
        self.read: Callable[[int, int], Received] = connection.read
        self.receive: Callable[[], Received] = partial(self.read, LARGEST_READ_BYTES, ANCILLARY_BYTES)
        self.unframed: list[bytes] = []
        self.unframed_ns = array("q")
        self.between_chunks = False
        self.reads = BodyReads(self._batches())
        self.stamps = array("q")
        self.headers_ns: int | None = None
        self.ended_ns = 0
        self.unstamped = 0
        self.raw_reads = 0
        self.bytes = 0
        self.problem: TurnError | None = None
        self.complete = False
        self.check_ns = 0
        self.opened: OpenReply | None = None
        self.wake_at_reads = WAKE_AT_READS  # 1: the user's greenlet decodes each read separately
        self.is_streaming = False
        self.on_wake: Callable[[], None] = _nothing
        self._offset = offset
        self._message = Message()
        self._framing = (
            0  # bytes outside the body: all of the head, later those beyond FRAMING_BYTES per body byte
        )
        self._head_bytes = 0
        self._buffered: list[bytes] = []
        self._buffered_bytes = 0
        self._woken: Wakeup = gevent.event.Event() if woken is None else woken

    @property
    def status(self) -> int:
        """The HTTP status; 0 before the headers are complete."""
        return int(self._message.get_code()) if self.headers_ns is not None else 0

    def header(self, name: str) -> str:
        """One response header, empty if absent."""
        return ", ".join(self.headers(name))

    def headers(self, name: str) -> tuple[str, ...]:
        """The values of a response header, one for each time it was sent."""
        value = self._message.get(name, ())
        return (value,) if isinstance(value, str) else tuple(value or ())

    @property
    def reusable(self) -> bool:
        """True if the message ended cleanly and the server keeps the connection open."""
        return self.complete and not self._message.should_close()

    @property
    def stamp_source(self) -> str:
        """The source of the stamps: kernel, user or mixed."""
        if self.unstamped == 0 and self.raw_reads:
            return "kernel"
        return "user" if self.unstamped == self.raw_reads else "mixed"

    def _batches(self) -> Iterator[list[bytes]]:
        """Yield the body in batches of all available reads; waits for more. Raises TurnError if the stream fails."""
        while True:
            self.frame()
            while self._buffered:
                batch, self._buffered, self._buffered_bytes = self._buffered, [], 0
                yield from ([piece] for piece in batch) if self.wake_at_reads == 1 else (batch,)
            if self.problem is not None:
                raise self.problem
            if self.complete:
                return
            self.on_wake()
            self._woken.clear()
            self._woken.wait()

    def expect(self, size: int) -> None:
        """Choose buffer size and batch size for reads of up to about `size` bytes."""
        most = READ_BYTES if size < READ_BYTES else LARGEST_READ_BYTES
        self.receive = partial(self.read, most, ANCILLARY_BYTES)
        if self.wake_at_reads > 1:
            self.wake_at_reads = max(2, WAKE_AT_BYTES // (size + READ_OVERHEAD_BYTES))

    def wake(self) -> None:
        """Wake the user's greenlet to decode, or to check a limit."""
        self._woken.set()

    def frame(self) -> None:
        """Frame the unframed reads, which is cheapest for many together."""
        if not self.unframed:
            return
        unframed, unframed_ns, self.unframed, self.unframed_ns = (
            self.unframed,
            self.unframed_ns,
            [],
            array("q"),
        )
        self.raw_reads += len(unframed)
        self.expect(max(map(len, unframed)))
        bodies = whole_chunks_each(unframed)
        count = len(bodies)
        self._buffer(bodies, unframed_ns[:count])
        for data, at_ns in zip(unframed[count:], unframed_ns[count:], strict=True):
            self._feed(data, at_ns)

    def stamped(self, data: bytes, ancillary: Ancillary) -> int:
        """The instant of a read: the kernel's arrival time of its bytes, else now."""
        self.raw_reads += bool(data)
        if ancillary:
            seconds, nanoseconds = TIMESPEC(ancillary[0][2])
            return int(seconds * 1_000_000_000 + nanoseconds - self._offset.ns)
        self.unstamped += bool(data)
        return now_ns()

    def feed(self, data: bytes, at_ns: int) -> bool:
        """Add one socket read; empty data means that the server closed. False if nothing more is to be read."""
        self.frame()
        self._feed(data, at_ns)
        return not self.complete and self.problem is None

    def _feed(self, data: bytes, at_ns: int) -> None:
        body = whole_chunks(data) if self.between_chunks else None
        if body is None:
            self.between_chunks = False
            self._parse(data, at_ns)
        else:
            self._buffer([body], (at_ns,))

    def forget(self) -> None:
        """Drop references back to this stream: a cycle would keep the reply until the next full garbage collection."""
        self.frame()
        self.on_wake = _nothing
        self.reads = BodyReads(())

    def _parse(self, data: bytes, at_ns: int) -> None:
        message = self._message
        try:
            message.feed(data)
        except HTTPParseError as error:
            self._fail_parse(data, at_ns, error)
            return
        self._take_in(data, at_ns)
        if self._framing > LARGEST_HEAD_BYTES:
            self.fail(TurnError("bad_wire", TOO_LONG_A_HEAD))
        elif message.message_complete and self.headers_ns is not None:
            self.complete = True
            self.ended_ns = at_ns
            self._woken.set()
        elif not data:
            self.fail(TurnError("truncated", f"server closed the connection after {self.bytes} body bytes"))

    def _take_in(self, data: bytes, at_ns: int) -> None:
        """Take the headers, if this read completed them, and its body bytes from the parser."""
        message = self._message
        body = message.take_body()
        if self.headers_ns is None:
            self._framing += len(data) - len(body)
            if message.headers_complete and message.final:
                self.headers_ns = at_ns
                self._head_bytes = self._framing
                chunked = self.header("transfer-encoding").lower() == "chunked"
                _, end, rest = data.partition(b"\r\n\r\n")
                self.between_chunks = chunked and bool(end) and (not rest or whole_chunks(rest) is not None)
        else:
            framing = self._framing + len(data) - (1 + FRAMING_BYTES) * len(body)
            self._framing = max(self._head_bytes, framing)
        if body:
            self._buffer([body], (at_ns,))

    def _buffer(self, bodies: list[bytes], stamps: Iterable[int]) -> None:
        size = sum(map(len, bodies))
        self.stamps.extend(stamps)
        self.bytes += size
        self._buffered += bodies
        self._buffered_bytes += size
        if self.bytes > LARGEST_REPLY_BYTES or len(self.stamps) > MOST_READS:
            self.fail(TurnError("bad_wire", TOO_LONG_A_REPLY))
        elif self._buffered_bytes >= WAKE_AT_BYTES or len(self._buffered) >= self.wake_at_reads:
            self._woken.set()

    def _fail_parse(self, data: bytes, at_ns: int, error: HTTPParseError) -> None:
        self._take_in(data, at_ns)
        if not data:
            self.fail(TurnError("truncated", f"server closed the connection after {self.bytes} body bytes"))
        elif self._message.final and self._message.message_complete:
            self.complete = (
                False  # of several reads framed together, one before the last may have ended the message
            )
            self.fail(TurnError("bad_wire", MORE_AFTER_THE_END))
        else:
            self.fail(TurnError("bad_wire", f"not HTTP: {error}: {data[:60]!r}"))

    def broke(self, error: OSError) -> None:
        """End the stream because the connection broke during a read."""
        self.frame()
        words = "connection reset" if isinstance(error, ConnectionResetError) else error.strerror or error
        self.fail(TurnError("truncated", f"{words} after {self.bytes} body bytes"))

    def fail(self, problem: TurnError) -> None:
        """End the stream with `problem`; data that is already buffered can still be decoded."""
        if self.problem is None and not self.complete:
            self.problem = problem
        self._woken.set()
