"""One connection of one user to the server: connect, TLS, liveness, and the socket's kernel stamps.

Locust's FastHttpUser pool is not used: its liveness check fails above fd 1023, it resolves the name for
every connection, and it buffers reads (docs/decisions/002-own-connection.md).
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
import gevent.socket

from chatload.engine.address import Address
from chatload.engine.clock import now_ns
from chatload.engine.tls import failure_words
from chatload.model.errors import TurnError

SO_TIMESTAMPNS = 35
"""Linux, asm-generic/socket.h: request the kernel's receive time (a timespec of CLOCK_REALTIME) with each read."""

_LOOK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
"""Computed once: combining flags in Python takes as long as a system call."""

Ancillary = list[tuple[int, int, bytes]]
"""Ancillary data of a read: the kernel's stamp (a timespec of CLOCK_REALTIME), or nothing."""
Received = tuple[bytes, Ancillary, int, Any]
"""The result of recvmsg: data, ancillary data, flags, address."""


@dataclass(slots=True)
class Connection:
    """An open connection. `raw` is the non-blocking socket below gevent's, which the reader reads from."""

    gevent_socket: Any
    raw: Any
    tls: bool
    connected_ns: int
    connect_ms: float
    tls_ms: float | None
    peer: str = ""

    def fileno(self) -> int:
        """The descriptor, −1 once closed."""
        return int(self.gevent_socket.fileno())

    def close(self) -> None:
        """Close at once. Safe to call twice."""
        self.gevent_socket.close()

    def alive(self) -> bool:
        """False if the server has closed the idle connection, or sent unexpected data on it."""
        if self.fileno() < 0:
            return False
        try:
            self.raw.recv(1, _LOOK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def read(self) -> Callable[[int, int], Received]:
        """`read(size, ancillary_size)`: recvmsg without waiting; under TLS without ancillary data.

        Raises BlockingIOError if there is nothing to read, OSError if the connection broke.
        """
        return self._read_tls if self.tls else self.raw.recvmsg

    def _read_tls(self, size: int, _: int) -> Received:
        try:
            return bytes(self.gevent_socket._sslobj.read(size)), [], 0, None
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        except ssl.SSLEOFError:
            return b"", [], 0, None

    def pending(self) -> bool:
        """True if TLS holds decrypted bytes, for which the socket does not become readable."""
        return self.tls and self.gevent_socket.pending() > 0

    def answered(self) -> bool:
        """Whether the server has sent anything. Consumes it: only for a connection that is not used further."""
        try:
            return bool(self.read(1, 0)[0])
        except OSError:
            return False

    def send(self, data: bytes, before_last_byte: Callable[[], None]) -> None:
        """Send all of `data`. `before_last_byte` is called right before each system call, so its last call marks
        *sent*: never later than the server could have read the end of the request."""
        if self.tls:
            before_last_byte()
            self.gevent_socket.sendall(data)
            return
        view = memoryview(data)
        while view:
            before_last_byte()
            try:
                sent = self.raw.send(view)
            except BlockingIOError:
                gevent.socket.wait_write(self.fileno())
                continue
            view = view[sent:]


def connect(address: Address, timeout_s: float, *, kernel_stamps: bool, user: int = 0) -> Connection:
    """A new connection to the IP address of `user`, or to another of the same name if that one cannot be reached.

    Raises TurnError "connect" with the reason if there is none within `timeout_s`.
    """
    start_ns = now_ns()
    problem: OSError | None = None
    with gevent.Timeout(timeout_s, TurnError("connect", f"no connection within {timeout_s:g} s")):
        for family, target in address.for_user(user):
            sock = gevent.socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.connect(target)
            except OSError as error:
                sock.close()
                problem = error
                continue
            except BaseException:
                sock.close()
                raise
            made = _prepared(sock, address, start_ns, kernel_stamps=kernel_stamps)
            made.peer = str(target[0])
            return made
    words = problem.strerror if problem else "no address"
    raise TurnError("connect", f"{address.place}: {words}") from problem


def _prepared(sock: Any, address: Address, start_ns: int, *, kernel_stamps: bool) -> Connection:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if kernel_stamps and sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tcp_ns = now_ns()
    connect_ms, tls_ms = (tcp_ns - start_ns) / 1e6, None
    if address.context is not None:
        try:
            sock = address.context.wrap_socket(sock, server_hostname=address.name)
        except OSError as error:
            sock.close()
            words = failure_words(error, address.name)
            raise TurnError("connect", f"TLS with {address.name} failed: {words}") from error
        tls_ms = (now_ns() - tcp_ns) / 1e6
    tls = address.context is not None
    return Connection(sock, sock._sock, tls, now_ns(), connect_ms, tls_ms)
