"""One reader for all streams: stamps each read as soon as it can, and decodes nothing.

Bytes of every open reply are read in the hub, never in a user's greenlet, so no user's decoding stands
between another user's bytes and their stamp. The stamp of a read is the kernel's arrival time of its
bytes where there is one (plain TCP on Linux, SO_TIMESTAMPNS), else the clock right after the read.
HTTP framing (llhttp, through geventhttpclient) is done here too: it tells where a message ends.
A user's greenlet is woken when its message is complete, when much is parked, or when a deadline is over.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
from gevent.monkey import get_original
from geventhttpclient.response import HTTPParseError, HTTPResponse

from chatload.clock import now_ns, wall_offset_ns
from chatload.errors import TurnError
from chatload.turn import Turn
from chatload.users.connection import SO_TIMESTAMPNS, Connection
from chatload.users.doubt import Doubt
from chatload.wire.chunked import whole_chunks

WAKE_AT_BYTES = 64 * 1024
"""Parked bytes at which the user's greenlet is woken to decode: bounds the memory of a long answer."""
BEAT_S = 0.005
"""How often a reader without a tick notes that the hub still runs."""
LARGEST_REPLY_BYTES = 256 * 1024 * 1024
_TIMESPEC = struct.Struct("qq").unpack_from
_READ_BYTES = 65536


class _Message(HTTPResponse):
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
        self._message = _Message()
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

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take one socket read in; empty data means the server closed."""
        if self._between_chunks:
            body = whole_chunks(data)
            if body is not None:
                self._park(body, at_ns)
                return
            self._between_chunks = False
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


def _nothing() -> None:
    return None


class Reader:
    """Drains all open streams, on a tick or on readiness.

    With a tick (`tick_s` > 0) one epoll is drained every `tick_s`: cheapest, and as true as ever, because
    kernel stamps do not care when a read happens. Without kernel stamps, or with `tick_s` 0, each read
    happens as soon as the hub sees it. A tick may delay the *end* of a turn by up to `tick_s`.
    """

    def __init__(self, *, kernel_stamps: bool, tick_s: float) -> None:
        self.kernel_stamps = kernel_stamps and sys.platform == "linux"
        self.tick_s = tick_s if self.kernel_stamps else 0.0
        self._hub = gevent.get_hub()
        self._streams: dict[int, ReplyStream] = {}
        self._watchers: dict[int, Any] = {}
        self._offset_ns = wall_offset_ns()
        self._offset_at_ns = now_ns()
        self.doubt = Doubt(self.tick_s or BEAT_S)
        self._sweeper: gevent.Greenlet | None = None
        if self.kernel_stamps:
            # Stamping is switched on system-wide by the first socket that asks for it: keep one that asks.
            self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._keeper.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if self.tick_s:
            self._epoll = get_original("select", "epoll")()
        self._timer = self._hub.loop.timer(self.tick_s or BEAT_S, self.tick_s or BEAT_S)

    @property
    def open_streams(self) -> int:
        """Replies in flight."""
        return len(self._streams)

    def watch(self, connection: Connection) -> ReplyStream:
        """Begin to read a reply on `connection`; call before the request is sent."""
        stream = ReplyStream(connection)
        fd = connection.fileno()
        self._streams[fd] = stream
        if self.tick_s and not connection.tls:
            self._epoll.register(fd, select.EPOLLIN)
        else:
            watcher = self._hub.loop.io(fd, 1)
            watcher.start(self._read, stream)
            self._watchers[fd] = watcher
        if not self._timer.active:
            self.doubt.looks.begin(now_ns())
            self._timer.start(self._on_tick if self.tick_s else self._on_beat)
        if self._sweeper is None:
            self._sweeper = gevent.spawn(self._sweep)
        return stream

    def release(self, stream: ReplyStream) -> None:
        """Stop reading `stream`. Safe to call twice."""
        fd = stream.connection.fileno()
        if self._streams.get(fd) is not stream:
            return
        del self._streams[fd]
        watcher = self._watchers.pop(fd, None)
        if watcher is not None:
            watcher.stop()
            watcher.close()
        else:
            self._epoll.unregister(fd)
        if not self._streams:
            self._timer.stop()

    def close(self) -> None:
        """Stop reading for good."""
        for stream in list(self._streams.values()):
            self.release(stream)
        if self._sweeper is not None:
            self._sweeper.kill(block=False)
        self._timer.stop()
        self._timer.close()
        if self.tick_s:
            self._epoll.close()
        if self.kernel_stamps:
            self._keeper.close()

    def _on_tick(self) -> None:
        self.doubt.looks.look(now_ns())
        streams = self._streams
        for fd, _ in self._epoll.poll(0, 4096):
            stream = streams.get(fd)
            if stream is not None:
                self._read(stream)
        self.doubt.looks.looked(now_ns())

    def _on_beat(self) -> None:
        """Without a tick the sockets are looked at whenever the hub runs; the beat tells whether it does."""
        now = now_ns()
        self.doubt.looks.look(now)
        self.doubt.looks.looked(now + self.doubt.looks.period_ns)

    def judged(self, turn: Turn, events_in_first_read: int) -> Turn:
        """The turn with the marks of what we may have spoiled in it."""
        now = now_ns()
        self._track_offset(now)
        return self.doubt.judged(turn, events_in_first_read, now)

    def _read(self, stream: ReplyStream) -> None:
        """One read of one stream, stamped at once."""
        connection = stream.connection
        try:
            if self.kernel_stamps and not connection.tls:
                data, ancillary, _, _ = connection.raw.recvmsg(_READ_BYTES, 64)
                if ancillary:
                    seconds, nanoseconds = _TIMESPEC(ancillary[0][2])
                    at_ns = seconds * 1_000_000_000 + nanoseconds - self._offset_ns
                else:
                    at_ns = now_ns()
                    stream.unstamped += bool(data)
            else:
                data = connection.read_now(_READ_BYTES)
                at_ns = now_ns()
                stream.unstamped += bool(data)
        except BlockingIOError:
            return
        except OSError as error:
            self._stop(stream)
            stream.fail(TurnError("truncated", f"{_words(error)} after {stream.bytes} body bytes"))
            return
        stream.raw_reads += bool(data)
        if not data or stream.complete:
            self._stop(stream)
        stream.feed(data, at_ns)
        if stream.complete or stream.problem is not None:
            self._stop(stream)
        elif connection.tls and connection.pending():
            self._read(stream)

    def _stop(self, stream: ReplyStream) -> None:
        # From the hub: the fd must not fire again before the user's greenlet runs.
        self.release(stream)

    def _sweep(self) -> None:
        """Wake streams whose next deadline is over; take the clock offset anew each second."""
        while True:
            gevent.sleep(0.05)
            now = now_ns()
            for stream in list(self._streams.values()):
                if stream.check_ns and now >= stream.check_ns:
                    stream.wake()
            if now - self._offset_at_ns > 1_000_000_000:
                self._track_offset(now)

    def _track_offset(self, now: int) -> None:
        offset = wall_offset_ns()
        # Slew is at most 0.5 ms/s; more than 1 ms in a second is a step of the wall clock, if seen twice.
        allowed = 1_000_000 + (now - self._offset_at_ns) // 1000
        if abs(offset - self._offset_ns) > allowed and abs(wall_offset_ns() - self._offset_ns) > allowed:
            self.doubt.steps.append((self._offset_at_ns, now))
        self._offset_ns, self._offset_at_ns = offset, now


def _words(error: OSError) -> str:
    return "connection reset" if isinstance(error, ConnectionResetError) else str(error.strerror or error)
