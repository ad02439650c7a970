"""One reader for all streams: stamps each read as early as possible, and decodes nothing.

The bytes of every open reply are read in the hub, never in a user's greenlet, so that decoding for one user does not
delay the stamps of another. The stamp of a read is the kernel's arrival time of its bytes where there is one (plain TCP
on Linux, SO_TIMESTAMPNS), else the clock right after the read.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Collection, Sequence
from typing import Any

import gevent
from gevent.monkey import get_original

from chatload.engine.address import Address
from chatload.engine.clock import now_ns
from chatload.engine.connection import SO_TIMESTAMPNS, Ancillary, Connection, Received, connect
from chatload.engine.measurement_quality import MeasurementQuality
from chatload.engine.poll_interval import PAUSES_S, POLL_INTERVALS_S, PollInterval, told_gaps
from chatload.engine.stream import (
    ANCILLARY_BYTES,
    EVENT_AND_CHUNK_END,
    LARGEST_READ_BYTES,
    READ_BYTES,
    TIMESPEC,
    ReplyStream,
)
from chatload.engine.wall_offset import WallOffset
from chatload.model.turn import Turn

HUB_CHECK_S = 0.005
"""How often a reader that does not poll checks the lag of the hub."""
STREAMING_NS = 200_000_000
"""A reply is streaming once two reads come within this time: the later of them may be its first token."""
DENSE_NS = 500_000
"""Wake-ups this close together are dense: every token costs one, with its own system calls."""
LIMITS_NS = 50_000_000
"""How often the limits of turns are checked."""
_READS_AT_ONCE = 128


class Reader:
    """Reads all open streams: new ones as soon as they are readable, streaming ones at each poll.

    Streams with kernel stamps are in two epolls. A kernel stamp does not depend on when the read happens, and polling
    is cheapest. Polling may delay the *end* of a turn, so `polls` is for users with think times; without it all streams
    are read as soon as they are readable, with a pause of a millisecond after each read while reads are dense. Without
    kernel stamps the hub watches each stream separately.
    """

    def __init__(self, *, kernel_stamps: bool, polls: bool) -> None:
        self.kernel_stamps = kernel_stamps and sys.platform == "linux"
        self.polls = polls and self.kernel_stamps
        self._hub = gevent.get_hub()
        self._streams: dict[int, ReplyStream] = {}
        self._watchers: dict[int, Any] = {}
        self._offset = WallOffset()
        self._interval = PollInterval(POLL_INTERVALS_S if self.polls else PAUSES_S)
        period_s = self._interval.period_s if self.polls else HUB_CHECK_S
        self.quality = MeasurementQuality(period_s, self._offset.steps)
        self._poll_log = self.quality.poll_log
        self._timer = self._hub.loop.timer(period_s, period_s)
        self._limits_ns = self._second_ns = self._ready_ns = 0
        self._ready: Any = None
        if self.kernel_stamps:
            # The first socket that requests stamps enables them system-wide: keep one open that does.
            self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._keeper.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            epoll = get_original("select", "epoll")
            self._new, self._streaming = epoll(), epoll()
            self._ready = self._hub.loop.io(self._new.fileno(), 1)
            self._pause = self._hub.loop.timer(PAUSES_S[-1], PAUSES_S[-1])

    @property
    def open_streams(self) -> Collection[ReplyStream]:
        """Replies in flight."""
        return self._streams.values()

    @property
    def wall_offset_ns(self) -> int:
        """CLOCK_REALTIME − our clock, at most a second old."""
        return self._offset.ns

    def connect(self, address: Address, timeout_s: float, user: int = 0) -> Connection:
        """A new connection, with kernel stamps if this reader uses them. Raises TurnError "connect"."""
        return connect(address, timeout_s, kernel_stamps=self.kernel_stamps, user=user)

    def watch(self, connection: Connection) -> ReplyStream:
        """Begin to read a reply on `connection`. Call it before the request is sent."""
        stream = ReplyStream(connection, self._offset)
        fd = connection.fileno()
        self._streams[fd] = stream
        if self.kernel_stamps and not connection.tls:
            self._new.register(fd, select.EPOLLIN)
        else:
            watcher = self._hub.loop.io(fd, 1)
            watcher.start(self._read, stream)
            self._watchers[fd] = watcher
        if not self._timer.active:
            self._offset.check()
            self._poll_log.begin(now_ns())
            self._timer.start(self._on_poll if self.polls else self._on_check)
            if self._ready is not None:
                self._ready.start(self._on_ready)
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
            (self._streaming if stream.is_streaming and self.polls else self._new).unregister(fd)
        if not self._streams:
            self._on_check()  # the last poll: its lateness must not be lost with the timer
            self._timer.stop()
            if self._ready is not None:
                self._ready.stop()
                self._pause.stop()

    def close(self) -> None:
        """Stop reading all streams, and free all resources."""
        for stream in list(self._streams.values()):
            self.release(stream)
        self._timer.stop()
        self._timer.close()
        if self.kernel_stamps:
            for watcher in (self._ready, self._pause):
                watcher.stop()
                watcher.close()
            self._new.close()
            self._streaming.close()
            self._keeper.close()

    def marked(self, turn: Turn, events_in_first_read: int) -> Turn:
        """The turn with marks for what this process may have distorted in it."""
        self._offset.check()
        if self.kernel_stamps:
            last_ns = turn.last_token_ns
            end_us = None if last_ns is None else (turn.end_ns - last_ns) / 1e3
            self._interval.add(self._told_gaps(turn) if turn.coalesced else turn.gaps_us, end_us)
        return self.quality.marked(turn, events_in_first_read, now_ns())

    def _told_gaps(self, turn: Turn) -> Sequence[int]:
        """The gaps of a turn with several tokens in a read, without gaps of 0 from late polls."""
        first_ns, log = turn.first_token_ns, self._poll_log
        if first_ns is None or not log.was_late(first_ns, turn.end_ns):
            return turn.gaps_us
        return told_gaps(turn.gaps_us, first_ns, log.is_late)

    def _on_poll(self) -> None:
        now = now_ns()
        late = self._poll_log.poll(now)
        self._drain(self._streaming)
        if late:
            self._drain(self._new)  # new streams had to wait, too: their reads belong to this poll
            self._poll_log.polled(now_ns())
        if now >= self._limits_ns:
            self._check_limits(now)

    def _on_check(self) -> None:
        """Timer of a reader that does not poll: only logs how late the hub runs, and checks limits."""
        now = now_ns()
        if self._poll_log.poll(now):
            self._poll_log.polled(now + self._poll_log.period_ns)
        if now >= self._limits_ns:
            self._check_limits(now)

    def _on_ready(self) -> None:
        """A new stream is readable. Without polling all streams are new: pause if wake-ups are dense."""
        now = now_ns()
        dense, self._ready_ns = now - self._ready_ns < DENSE_NS, now
        self._drain(self._new)
        if dense and self._streams and self._interval.period_s and not self.polls:
            self._ready.stop()
            self._pause.start(self._on_pause)

    def _on_pause(self) -> None:
        """Read after each pause, until nothing is readable."""
        if not self._drain(self._new) and self._streams:
            self._pause.stop()
            self._ready.start(self._on_ready)

    def _drain(self, epoll: Any) -> int:
        """Read once from each readable stream of `epoll`; returns their number.

        This loop runs for every token. It leaves reads unframed where possible, since framing many together takes a
        third of the time of framing each alone, and computes the stamp inline (elsewhere `ReplyStream.stamped`), since
        a call costs as much as the computation.
        """
        streams, offset_ns = self._streams, self._offset.ns
        new = epoll is self._new
        events = epoll.poll(0, len(streams) or 1)
        all_received, errors = self._received(events)
        for (fd, _), received in zip(events, all_received, strict=True):
            stream = streams[fd]
            if received is None:
                self._broke(stream, errors.pop(0))
                continue
            data, ancillary, _, _ = received
            if not (stream.between_chunks and ancillary and data.endswith(EVENT_AND_CHUNK_END)):
                data, ancillary = self._rest(stream, data, ancillary)
                if not (stream.between_chunks and ancillary and data.endswith(EVENT_AND_CHUNK_END)):
                    if self._take(stream, data, stream.stamped(data, ancillary)):
                        self._read(stream)
                    continue
            seconds, nanoseconds = TIMESPEC(ancillary[0][2])
            stream.unframed_ns.append(seconds * 1_000_000_000 + nanoseconds - offset_ns)
            unframed = stream.unframed
            unframed.append(data)
            if len(unframed) >= stream.wake_at_reads:
                stream.wake()
            if new and len(unframed) > 1 and not stream.is_streaming:
                self._may_stream(fd, stream)
        return len(events)

    def _received(self, events: list[tuple[int, int]]) -> tuple[list[Received | None], list[OSError]]:
        """(the data read for each of `events`, or None if the read failed; the errors, in order).

        This loop makes only system calls: each one flushes the processor's branch prediction, so that code between two
        of them takes several times as long. Beware: `streams[fd].receive()` in one expression is compiled as a method
        call, which is slow for an attribute that holds a callable: 3 % of the client's CPU time.
        """
        streams = self._streams
        found: list[Received | None] = []
        errors: list[OSError] = []
        left = iter(events)
        while len(found) < len(events):
            try:
                for fd, _ in left:
                    receive = streams[fd].receive
                    found.append(receive())
            except OSError as error:
                found.append(None)
                errors.append(error)
        return found, errors

    def _may_stream(self, fd: int, stream: ReplyStream) -> None:
        """Mark `stream` as streaming if its last two reads are close together: then its reads may be polled."""
        if stream.unframed_ns[-1] - stream.unframed_ns[-2] >= STREAMING_NS:
            return
        stream.is_streaming = True
        stream.expect(len(stream.unframed[-1]))
        if self.polls:
            self._new.unregister(fd)
            self._streaming.register(fd, select.EPOLLIN)

    def _rest(self, stream: ReplyStream, data: bytes, ancillary: Ancillary) -> tuple[bytes, Ancillary]:
        """(data, ancillary) of a read; one that filled its small buffer is extended, so that chunks stay whole.

        The stamp is then the later one. A late poll finds several events of each stream, which are left unframed as
        well: framing them here takes ten times as long, so that with hundreds of streams the next poll would be late.
        """
        if len(data) != READ_BYTES:
            return data, ancillary
        try:
            more, later, _, _ = stream.read(LARGEST_READ_BYTES, ANCILLARY_BYTES)
        except OSError:  # nothing more, or an error that the next read raises again
            return data, ancillary
        if not more:
            return data, ancillary
        stream.expect(len(data) + len(more))
        return data + more, later

    def _read(self, stream: ReplyStream) -> None:
        """Read from one stream until nothing is left, at most _READS_AT_ONCE times since other streams wait."""
        for _ in range(_READS_AT_ONCE):
            try:
                data, ancillary, _, _ = stream.read(LARGEST_READ_BYTES, ANCILLARY_BYTES)
            except OSError as error:
                self._broke(stream, error)
                return
            if not self._take(stream, data, stream.stamped(data, ancillary)):
                return

    def _take(self, stream: ReplyStream, data: bytes, at_ns: int) -> bool:
        """Pass a read to its stream; True if there may be more to read now."""
        if not stream.feed(data, at_ns) or not data:
            self.release(stream)  # the descriptor must not fire again before the user's greenlet runs
            return False
        return len(data) >= LARGEST_READ_BYTES or (stream.connection.tls and stream.connection.pending())

    def _broke(self, stream: ReplyStream, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            return  # there was nothing to read
        self.release(stream)
        stream.broke(error)

    def _check_limits(self, now: int) -> None:
        """Wake streams whose next limit is due; update the clock's offset and, once a second, the poll interval."""
        self._limits_ns = now + LIMITS_NS
        for stream in self._streams.values():
            if stream.check_ns and now >= stream.check_ns:
                stream.wake()
        self._offset.check()
        if now - self._second_ns > 1_000_000_000:
            self._second_ns = now
            if self._interval.choose() and self.polls:
                self._retime()

    def _retime(self) -> None:
        self._timer.stop()
        self._timer.close()
        period_s = self._interval.period_s
        self._poll_log.period_ns = round(period_s * 1e9)
        self._timer = self._hub.loop.timer(period_s, period_s)
        if self._streams:
            self._timer.start(self._on_poll)
