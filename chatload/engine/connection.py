"""One connection of one user to the server: connect, TLS, liveness, and the socket's kernel stamps.

Locust's FastHttpUser pool is not used: its liveness check fails above fd 1023, it resolves the name for
every connection and its readers buffer (docs/decisions/002-own-connection.md).
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import gevent
import gevent.socket
import gevent.ssl

from chatload.engine.clock import now_ns
from chatload.model.errors import TurnError

SO_TIMESTAMPNS = 35
"""Linux, asm-generic/socket.h: ask for the kernel's receive time (a timespec of CLOCK_REALTIME) per read."""

Ancillary = list[tuple[int, int, bytes]]
"""What comes beside a read's data: the kernel's stamp (a timespec of CLOCK_REALTIME), or nothing."""
Received = tuple[bytes, Ancillary, int, Any]
"""What recvmsg gives: data, ancillary data, flags, address."""


@dataclass(slots=True)
class Address:
    """Where the server is. The name is resolved once a process; one TLS context serves all users."""

    host: str
    insecure: bool = False
    name: str = field(init=False)
    port: int = field(init=False)
    path: str = field(init=False)
    context: Any = field(init=False, default=None)
    _resolved: list[Any] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.host)
        self.name = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.path = parts.path.rstrip("/")
        if parts.scheme == "https":
            self.context = gevent.ssl.create_default_context()
            if self.insecure:
                self.context.check_hostname = False
                self.context.verify_mode = ssl.CERT_NONE

    @property
    def header(self) -> str:
        """The Host header."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{name}:{self.port}"

    def resolve(self) -> list[Any]:
        """(family, sockaddr) of the server, IPv4 first, asked once. TurnError "connect" if unknown."""
        if not self._resolved:
            try:
                found = gevent.socket.getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise TurnError(
                    "connect", f"cannot resolve {self.name!r}: {error.strerror or error}"
                ) from error
            self._resolved = sorted(
                ((family, address) for family, _, _, _, address in found),
                key=lambda a: a[0] != socket.AF_INET,
            )
        return self._resolved


@dataclass(slots=True)
class Connection:
    """An open connection. `raw` is the plain non-blocking socket under gevent's; the reader reads it."""

    gevent_socket: Any
    raw: Any
    tls: bool
    connected_ns: int
    connect_ms: float
    tls_ms: float | None

    def fileno(self) -> int:
        """The descriptor, −1 once closed."""
        return int(self.gevent_socket.fileno())

    def close(self) -> None:
        """Close at once; closing twice is fine."""
        self.gevent_socket.close()

    def alive(self) -> bool:
        """False when the server has closed an idle connection, or sent something nobody asked for."""
        if self.fileno() < 0:
            return False
        try:
            self.raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def read(self) -> Callable[[int, int], Received]:
        """`read(size, ancillary_size)` gives what is there, as recvmsg does, but under TLS without ancillary data.
        Never waits: BlockingIOError when nothing is there, OSError when it broke."""
        return self._read_tls if self.tls else self.raw.recvmsg

    def _read_tls(self, size: int, _: int) -> Received:
        try:
            return bytes(self.gevent_socket._sslobj.read(size)), [], 0, None
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        except ssl.SSLEOFError:
            return b"", [], 0, None

    def pending(self) -> bool:
        """True when TLS holds decrypted bytes that no readiness will announce."""
        return self.tls and self.gevent_socket.pending() > 0

    def answered(self) -> bool:
        """Whether bytes of a reply are there; takes them, for a connection that has broken."""
        try:
            return bool(self.read(1, 0)[0])
        except OSError:
            return False

    def send(self, data: bytes, before_last_byte: Callable[[], None]) -> None:
        """Send all of `data`; `before_last_byte` is called right before each system call, so the last
        call of it marks *sent*: never after the server could have read the request's end."""
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


def connect(address: Address, timeout_s: float, *, kernel_stamps: bool) -> Connection:
    """A new connection. TurnError "connect" with the reason if there is none within `timeout_s`."""
    start_ns = now_ns()
    problem: OSError | None = None
    with gevent.Timeout(timeout_s, TurnError("connect", f"no connection within {timeout_s:g} s")):
        for family, target in address.resolve():
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
            return _prepared(sock, address, start_ns, kernel_stamps=kernel_stamps)
    words = problem.strerror if problem else "no address"
    raise TurnError("connect", f"{address.name}:{address.port}: {words}") from problem


def _prepared(sock: Any, address: Address, start_ns: int, *, kernel_stamps: bool) -> Connection:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if kernel_stamps and sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tcp_ns = now_ns()
    connect_ms, tls_ms = (tcp_ns - start_ns) / 1e6, None
    if address.context is not None:
        try:
            sock = address.context.wrap_socket(sock, server_hostname=address.name)
        except ssl.SSLError as error:
            sock.close()
            raise TurnError("connect", f"TLS with {address.name} failed: {error.reason or error}") from error
        except OSError as error:
            sock.close()
            raise TurnError(
                "connect", f"TLS with {address.name} failed: {error.strerror or error}"
            ) from error
        tls_ms = (now_ns() - tcp_ns) / 1e6
    tls = address.context is not None
    return Connection(sock, sock._sock, tls, now_ns(), connect_ms, tls_ms)
