"""A server and a network in this process: connections that answer by a script, at instants of a manual clock.

Everything above the socket is real: `Connection`, `ReplyStream`, framing and dialects.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import gevent

from chatload.engine.address import Address
from chatload.engine.connection import Connection, Received
from chatload.engine.stream import ANCILLARY_BYTES, LARGEST_READ_BYTES, ReplyStream
from chatload.model.errors import TurnError
from chatload.model.turn import Turn
from tests.manual_clock import ManualClock

MS = 1_000_000
CLOSE = b""
RESET = ConnectionResetError(104, "Connection reset by peer")
KILL = gevent.GreenletExit()

Step = tuple[float, bytes | BaseException]
"""(ms after the request was sent, what comes): bytes, the end of the connection (CLOSE), an error of the read
(RESET), or the user's greenlet is killed (KILL)."""
Offset: Any = SimpleNamespace(ns=0)


@dataclass
class Wire:
    """One connection. `replies[i]` is the script of its i-th request.

    `refuses`: nobody accepts it. `sends`: (bytes, ms) of each call of send, the rest in one more. `broken_after`: that
    many requests can be sent on it, the next send fails. `idle`: what comes after the last reply, unasked.
    `late_ms`: how long after their arrival bytes are read.
    """

    replies: Sequence[Sequence[Step]] = ()
    refuses: bool = False
    connect_ms: float = 1.0
    late_ms: float = 0.0
    sends: Sequence[tuple[int, float]] = ()
    broken_after: int | None = None
    idle: bytes | None = None


@dataclass
class Script:
    """The network: each new connection is the next of `wires`. Notes the requests that came, and when."""

    clock: ManualClock
    wires: Sequence[Wire]
    opened: int = 0
    requests: list[bytes] = field(default_factory=list)
    came_ns: list[int] = field(default_factory=list)
    released: list[ReplyStream] = field(default_factory=list)
    watched: int = 0
    sockets: list[ScriptedSocket] = field(default_factory=list)

    def connect(self, address: Address, timeout_s: float, user: int = 0) -> Connection:
        """The next connection."""
        wire = self.wires[self.opened]
        self.opened += 1
        if wire.refuses:
            raise TurnError("connect", f"{address.name}:{address.port}: Connection refused")
        self.clock.sleep(wire.connect_ms / 1e3)
        made = ScriptedSocket(self, wire)
        self.sockets.append(made)
        return Connection(made, made, False, self.clock.now_ns(), wire.connect_ms, None)

    def watch(self, connection: Connection) -> ReplyStream:
        """A stream that is fed by the script while its user waits."""
        self.watched += 1
        made: ScriptedSocket = connection.raw
        player = Player(self.clock, made)
        player.stream = made.stream = ReplyStream(connection, Offset, player)
        return made.stream

    def release(self, stream: ReplyStream) -> None:
        """Note it."""
        self.released.append(stream)

    def marked(self, turn: Turn, events_in_first_read: int) -> Turn:
        """The turn as it is: tests/engine/test_measurement_quality.py has the marks."""
        return turn


class ScriptedSocket:
    """Both sockets of a connection, gevent's and the raw one."""

    def __init__(self, script: Script, wire: Wire) -> None:
        self._script, self.wire = script, wire
        self._sent = b""
        self._sends = list(wire.sends)
        self._asked = 0
        self.steps: list[tuple[int, bytes | BaseException]] = []
        self.inbox: bytes | OSError | None = None
        self.arrived_ns = 0
        self.stream: ReplyStream | None = None
        self.closed = False

    def fileno(self) -> int:
        """-1 once closed."""
        return -1 if self.closed else 7

    def close(self) -> None:
        """Hang up."""
        self.closed = True

    def recv(self, size: int, flags: int) -> bytes:
        """A look at what came unasked."""
        assert flags == socket.MSG_PEEK | socket.MSG_DONTWAIT
        if self.wire.idle is None:
            raise BlockingIOError
        return self.wire.idle

    def send(self, view: memoryview) -> int:
        """Take the next bytes of a request; the whole request starts the script of its reply."""
        if self.wire.broken_after == self._asked:
            raise BrokenPipeError(32, "Broken pipe")
        size, ms = self._sends.pop(0) if self._sends else (len(view), 0.0)
        self._script.clock.sleep(ms / 1e3)
        self._sent += bytes(view[:size])
        head, end, body = self._sent.partition(b"\r\n\r\n")
        if end and len(body) == int(re.findall(rb"Content-Length: (\d+)", head)[0]):
            self._begin()
        return size

    def _begin(self) -> None:
        now_ns = self._script.clock.now_ns()
        self._script.requests.append(self._sent)
        self._script.came_ns.append(now_ns)
        self._sent = b""
        self.steps = [(now_ns + round(ms * MS), what) for ms, what in self.wire.replies[self._asked]]
        self._asked += 1

    def recvmsg(self, size: int, ancillary_size: int) -> Received:
        """What is there, stamped by a kernel whose clock is ours."""
        found, self.inbox = self.inbox, None
        if isinstance(found, OSError):
            raise found
        if found is None:
            raise BlockingIOError
        assert size == 1 or len(found) <= size
        seconds, nanoseconds = divmod(self.arrived_ns, 1_000_000_000)
        return found, [(0, 0, struct.pack("qq", seconds, nanoseconds))] if found else [], 0, None


class Player:
    """The wakeup of a user's greenlet: while it waits, the script goes on."""

    stream: ReplyStream

    def __init__(self, clock: ManualClock, made: ScriptedSocket) -> None:
        self._clock, self._socket = clock, made
        self._is_set = False
        self._woken_ns = 0

    def set(self) -> None:
        """It need not wait."""
        self._is_set = True

    def clear(self) -> None:
        """It is to wait."""
        self._is_set = False

    def wait(self) -> None:
        """Play until the stream, or a limit of the turn, wakes the user."""
        while not self._is_set:
            steps, check_ns = self._socket.steps, self.stream.check_ns
            if not steps or 0 < check_ns < steps[0][0]:
                assert check_ns, "the user waits for ever"
                assert check_ns != self._woken_ns, "the user is woken for nothing, for ever"
                self._woken_ns = check_ns
                self._clock.go_to(check_ns)
                return
            at_ns, what = steps.pop(0)
            self._socket.arrived_ns = at_ns
            self._clock.go_to(at_ns + round(self._socket.wire.late_ms * MS))
            if isinstance(what, BaseException) and not isinstance(what, OSError):
                raise what
            self._socket.inbox = what
            self._read()

    def _read(self) -> None:
        """As Reader._read does."""
        stream = self.stream
        try:
            data, ancillary, _, _ = stream.read(LARGEST_READ_BYTES, ANCILLARY_BYTES)
        except OSError as error:
            stream.broke(error)
            return
        if not stream.feed(data, stream.stamped(data, ancillary)):
            self._socket.steps = []


def reply(*events: bytes, every_ms: float = 10.0, head: bytes = b"", end: bytes = b"0\r\n\r\n") -> list[Step]:
    """Headers at once, each event `every_ms` after the one before, the end with the last of them."""
    steps: list[Step] = [(0.0, head or OK)]
    for number, event in enumerate(events, start=1):
        steps.append((number * every_ms, chunk(event)))
    return [*steps, (len(events) * every_ms, end)]


OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def status(code: int, body: bytes, headers: str = "") -> bytes:
    """A whole reply without a stream."""
    return f"HTTP/1.1 {code} Words\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body
