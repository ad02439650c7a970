"""One reader for all streams: stamps each read as soon as it can, and decodes nothing.

Bytes of every open reply are read in the hub, never in a user's greenlet, so no user's decoding stands
between another user's bytes and their stamp. The stamp of a read is the kernel's arrival time of its
bytes where there is one (plain TCP on Linux, SO_TIMESTAMPNS), else the clock right after the read.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
from typing import Any

import gevent
from gevent.monkey import get_original

from chatload.clock import now_ns, wall_offset_ns
from chatload.errors import TurnError
from chatload.turn import Turn
from chatload.users.connection import SO_TIMESTAMPNS, Connection
from chatload.users.doubt import Doubt
from chatload.users.stream import ReplyStream

BEAT_S = 0.005
"""How often a reader without a tick notes that the hub still runs."""
_TIMESPEC = struct.Struct("qq").unpack_from
_READ_BYTES = 8192
"""More is read at once when there is more. A larger buffer for each read leaves larger holes in the heap."""
_READS_AT_ONCE = 128


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

    @property
    def wall_offset_ns(self) -> int:
        """CLOCK_REALTIME − our clock, at most a second old."""
        return self._offset_ns

    def watch(self, connection: Connection) -> ReplyStream:
        """Begin to read a reply on `connection`; call before the request is sent."""
        stream = ReplyStream(connection)
        if self.kernel_stamps and not connection.tls:
            stream.receive = connection.raw.recvmsg
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
            if stream is not None and self._read_once(stream):
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
        """Read what one stream has, but not for long: others wait."""
        for _ in range(_READS_AT_ONCE):
            if not self._read_once(stream):
                return

    def _read_once(self, stream: ReplyStream) -> bool:
        """One read of one stream, stamped at once; True when there is more."""
        receive = stream.receive
        try:
            if receive is not None:
                data, ancillary, _, _ = receive(_READ_BYTES, 64)
                if ancillary:
                    seconds, nanoseconds = _TIMESPEC(ancillary[0][2])
                    at_ns = seconds * 1_000_000_000 + nanoseconds - self._offset_ns
                else:
                    at_ns = now_ns()
                    stream.unstamped += bool(data)
            else:
                data = stream.connection.read_now(_READ_BYTES)
                at_ns = now_ns()
                stream.unstamped += bool(data)
        except BlockingIOError:
            return False
        except OSError as error:
            self._stop(stream)
            stream.fail(TurnError("truncated", f"{_words(error)} after {stream.bytes} body bytes"))
            return False
        if data:
            stream.raw_reads += 1
        if not stream.feed(data, at_ns) or not data:
            self._stop(stream)
            return False
        return len(data) == _READ_BYTES or (receive is None and stream.connection.pending())

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
