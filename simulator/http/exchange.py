"""One request and its reply, independent of the socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulator.http.old_version import OldVersion

HIGH_WATER_BYTES = 262_144
MAX_BODY_BYTES = 64 << 20


class ClientConnection(Protocol):
    """The connection, as an exchange sees it."""

    backlog: bytearray
    idle_close_s: float | None

    def write(self, data: bytes) -> None: ...
    def reply_over(self, close: bool) -> None: ...
    def close_when_flushed(self) -> None: ...
    def reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request; header names are lower case; `received_ns` = its last byte arrived; `new_connection`:
    it was opened for this request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    received_ns: int
    connection: int
    too_large: bool = False
    http_1_0: bool = False
    new_connection: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """The answer to malformed HTTP, idle timeout and body limit of a server's HTTP stack."""

    malformed: Callable[[], bytes]
    idle_close_s: float | None = 5.0
    max_body_bytes: int = MAX_BODY_BYTES


class App(Protocol):
    """Receives complete requests from a listener."""

    policy: ConnectionPolicy

    def handle(self, exchange: Exchange) -> None: ...
    def broke(self, exchange: Exchange, error: Exception) -> None: ...


class Exchange:
    """One request and its reply. All methods do nothing once the client has gone or the reply is over."""

    __slots__ = ("_connection", "_old_version", "bytes_out", "on_drained", "on_gone", "open", "request")

    def __init__(self, connection: ClientConnection, request: Request) -> None:
        self._connection = connection
        self.request = request
        self._old_version: OldVersion | None = None
        self.bytes_out = 0
        self.open = True
        self.on_gone: Callable[[], None] | None = None
        self.on_drained: Callable[[], None] | None = None

    @property
    def backed_up(self) -> bool:
        """True if the client reads too slowly: its unread bytes fill the kernel's buffer and ours."""
        return len(self._connection.backlog) > HIGH_WATER_BYTES

    def send(self, data: bytes) -> None:
        """Hand bytes to the kernel now; those it does not take wait in the backlog."""
        if not self.open:
            return
        if self._old_version is not None:
            data = self._old_version.converted(data)
        self.bytes_out += len(data)
        self._connection.write(data)

    def answer_in_http_1_0(self) -> None:
        """Call it before the first byte."""
        self._old_version = OldVersion()

    def finish(self, close: bool = False) -> None:
        """The reply is complete: serve the next request, or close if either side wants that."""
        if self.open:
            self.open = False
            self._connection.reply_over(close or not self.request.keep_alive)

    def close(self) -> None:
        """Close as after a crash: the backlog is sent, then FIN, even in the middle of a message."""
        if self.open:
            self.open = False
            self._connection.close_when_flushed()

    def reset(self) -> None:
        """Send RST: the client gets ECONNRESET."""
        if self.open:
            self.open = False
            self._connection.reset()

    def close_idle_after(self, seconds: float) -> None:
        """Close the kept-alive connection sooner than the server would."""
        self._connection.idle_close_s = seconds
