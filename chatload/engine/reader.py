"""One reader for all streams: stamps each read as soon as it can, and decodes nothing.

Bytes of every open reply are read in the hub, never in a user's greenlet, so no user's decoding stands
between another user's bytes and their stamp. The stamp of a read is the kernel's arrival time of its
bytes where there is one (plain TCP on Linux, SO_TIMESTAMPNS), else the clock right after the read.
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
"""How often a reader that does not poll notes that the hub still runs."""
STREAMING_NS = 200_000_000
"""A reply of which two reads come within this time is streaming: the later of them may be its first token."""
DENSE_NS = 500_000
"""Wake-ups this close to each other are dense: each token costs one, and system calls of its own."""
LIMITS_NS = 50_000_000
"""How often a poll also checks the limits of turns."""
_READS_AT_ONCE = 128


class Reader:
    """Reads all open streams: new ones as soon as they have something, streaming ones at each poll.

    Streams with kernel stamps are in two epolls: a kernel stamp does not depend on when the read happens, and polling
    is cheapest. It may delay the *end* of a turn, so `polls` is for users who think between turns; without it all
    streams are read as soon as they have something, with a pause of a millisecond after each read where reads are
    dense. Without kernel stamps the hub watches each stream by itself.
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
            # Stamping is switched on system-wide by the first socket that asks for it: keep one that asks.
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
        """A new connection, with kernel stamps where this reader uses them. TurnError "connect" if there is none."""
        return connect(address, timeout_s, kernel_stamps=self.kernel_stamps, user=user)

    def watch(self, connection: Connection) -> ReplyStream:
        """Begin to read a reply on `connection`; call before the request is sent."""
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
        """Stop reading for good."""
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
        """The turn with the marks of what we may have spoiled in it."""
        self._offset.check()
        if self.kernel_stamps:
            last_ns = turn.last_token_ns
            end_us = None if last_ns is None else (turn.end_ns - last_ns) / 1e3
            self._interval.add(self._told_gaps(turn) if turn.coalesced else turn.gaps_us, end_us)
        return self.quality.marked(turn, events_in_first_read, now_ns())

    def _told_gaps(self, turn: Turn) -> Sequence[int]:
        """The gaps of a turn whose tokens shared reads, without those that a late poll of ours made."""
        first_ns, log = turn.first_token_ns, self._poll_log
        if first_ns is None or not log.was_late(first_ns, turn.end_ns):
            return turn.gaps_us
        return told_gaps(turn.gaps_us, first_ns, log.is_late)

    def _on_poll(self) -> None:
        now = now_ns()
        late = self._poll_log.poll(now)
        self._drain(self._streaming)
        if late:
            self._drain(self._new)  # what waited there belongs to this poll, too
            self._poll_log.polled(now_ns())
        if now >= self._limits_ns:
            self._check_limits(now)

    def _on_check(self) -> None:
        """New streams are read whenever the hub runs; this timer tells whether it does."""
        now = now_ns()
        if self._poll_log.poll(now):
            self._poll_log.polled(now + self._poll_log.period_ns)
        if now >= self._limits_ns:
            self._check_limits(now)

    def _on_ready(self) -> None:
        """A new stream has something. Where nothing polls, all are new, and wake-ups may be dense: then pause."""
        now = now_ns()
        dense, self._ready_ns = now - self._ready_ns < DENSE_NS, now
        self._drain(self._new)
        if dense and self._streams and self._interval.period_s and not self.polls:
            self._ready.stop()
            self._pause.start(self._on_pause)

    def _on_pause(self) -> None:
        """Read again after each pause, until there is nothing."""
        if not self._drain(self._new) and self._streams:
            self._pause.stop()
            self._ready.start(self._on_ready)

    def _drain(self, epoll: Any) -> int:
        """One read of each stream of `epoll` that has something; how many have.

        This loop is what a token costs: it leaves reads unframed where it can, since framing many at once costs a third
        of framing each as it comes, and computes the stamp itself (as `ReplyStream.stamped` does for all other reads),
        since a call costs as much as the sum.
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
        """What came for each of `events`; None for each of the errors, which are beside.

        Nothing but system calls: after each a processor has forgotten where the interpreter's branches go, so that
        what is done between two of them takes several times as long. Beware: `streams[fd].receive()` in one would be
        looked up as a method, which an attribute that holds a callable is not: 3 % of all that a client does.
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
        """Once tokens of `stream` come one after the other, its first one is in: the others may be polled."""
        if stream.unframed_ns[-1] - stream.unframed_ns[-2] >= STREAMING_NS:
            return
        stream.is_streaming = True
        stream.expect(len(stream.unframed[-1]))
        if self.polls:
            self._new.unregister(fd)
            self._streaming.register(fd, select.EPOLLIN)

    def _rest(self, stream: ReplyStream, data: bytes, ancillary: Ancillary) -> tuple[bytes, Ancillary]:
        """A read that filled its small buffer, with what followed, so that chunks stay whole, and the later stamp.

        A late poll finds several events of each stream. They stay unframed, too: to frame them here takes ten times as
        long for a stream, and with hundreds of streams the next poll would be late as well.
        """
        if len(data) != READ_BYTES:
            return data, ancillary
        try:
            more, later, _, _ = stream.read(LARGEST_READ_BYTES, ANCILLARY_BYTES)
        except OSError:  # nothing more, or an error that the next read will meet again
            return data, ancillary
        if not more:
            return data, ancillary
        stream.expect(len(data) + len(more))
        return data + more, later

    def _read(self, stream: ReplyStream) -> None:
        """Read what one stream has, but so many reads at most: others wait."""
        for _ in range(_READS_AT_ONCE):
            try:
                data, ancillary, _, _ = stream.read(LARGEST_READ_BYTES, ANCILLARY_BYTES)
            except OSError as error:
                self._broke(stream, error)
                return
            if not self._take(stream, data, stream.stamped(data, ancillary)):
                return

    def _take(self, stream: ReplyStream, data: bytes, at_ns: int) -> bool:
        """Give a read to its stream; True when there is more to read at once."""
        if not stream.feed(data, at_ns) or not data:
            self.release(stream)  # the descriptor must not fire again before the user's greenlet runs
            return False
        return len(data) >= LARGEST_READ_BYTES or (stream.connection.tls and stream.connection.pending())

    def _broke(self, stream: ReplyStream, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            return  # there was nothing to read, no more
        self.release(stream)
        stream.broke(error)

    def _check_limits(self, now: int) -> None:
        """Wake streams whose next limit is due; renew the clock's offset and, each second, the poll interval."""
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
