"""One HTTP/1.1 connection on a bare non-blocking socket.

No asyncio transport buffers writes, so a stamp taken right before `Exchange.send` is the instant at which the kernel
gets the bytes, and resets and truncated replies reach the client as such.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

from simulator.http.exchange import HIGH_WATER_BYTES, App, Exchange, Request
from simulator.http.receive_time import now_ns, read

READ_BYTES = 65_536
MAX_HEAD_BYTES = 131_072
MAX_PIPELINED = 8
NEW_NS = 20_000_000
"""A request that comes so soon was what the connection was opened for."""


@dataclass(slots=True)
class _Draft:
    """The request being read."""

    url: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    too_large: bool = False
    head_bytes: int = 0


class Connection:
    """A client's socket, its parser and its unsent bytes."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop, sock: socket.socket, number: int) -> None:
        self._app = app
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._parser = httptools.HttpRequestParser(self)
        self._draft = _Draft()
        self._waiting: list[Request] = []
        self._current: Exchange | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._arrived_ns = 0
        self._opened_ns = now_ns()
        self._closing = False
        self._retiring = False
        self._closed = False
        self.number = number
        self.backlog = bytearray()
        self.idle_close_s = app.policy.idle_close_s
        self.on_closed: Callable[[Connection], None] | None = None
        loop.add_reader(self._fd, self._readable)

    # -- reading -------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data, self._arrived_ns = read(self._sock, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.drop()
            return
        if self._closing:
            return
        self._stop_idle_timer()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, httptools.HttpParserError):
                facts = {"message": "simulator: a request broke its handler", "exception": error.__context__}
                self._loop.call_exception_handler(facts)
            self._malformed()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UnicodeDecodeError):
            self._malformed()
        if len(self._waiting) > MAX_PIPELINED:
            self._malformed()

    def _malformed(self) -> None:
        if self._current is None and not self._closed and not self._closing:
            self.write(self._app.policy.malformed())
            self.close_when_flushed()
        elif self._current is not None:
            self._waiting.clear()
            self.drop()

    # -- httptools callbacks -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._draft = _Draft()

    def on_url(self, url: bytes) -> None:
        self._draft.url += url
        self._grow_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._draft.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._grow_head(len(name) + len(value))

    def _grow_head(self, more: int) -> None:
        self._draft.head_bytes += more
        if self._draft.head_bytes > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("request head too large")

    def on_headers_complete(self) -> None:
        if self._draft.headers.get("expect", "").lower() == "100-continue" and self._current is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        draft = self._draft
        if len(draft.body) + len(body) > self._app.policy.max_body_bytes:
            draft.too_large = True
            draft.body.clear()
        elif not draft.too_large:
            draft.body += body

    def on_message_complete(self) -> None:
        draft = self._draft
        path, _, query = draft.url.decode("latin-1").partition("?")
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=draft.headers,
            body=bytes(draft.body),
            keep_alive=self._parser.should_keep_alive(),
            received_ns=self._arrived_ns,
            connection=self.number,
            too_large=draft.too_large,
            http_1_0=self._parser.get_http_version() == "1.0",
            new_connection=self._arrived_ns - self._opened_ns < NEW_NS,
        )
        if self._current is None:
            self._begin(request)
        else:
            self._waiting.append(request)

    def _begin(self, request: Request) -> None:
        exchange = self._current = Exchange(self, request)
        try:
            self._app.handle(exchange)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must not wait for ever
            self._app.broke(exchange, error)

    # -- writing -------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._closed:
            return
        sent = 0
        if not self.backlog:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._loop.call_soon(self.drop)
                return
            if sent == len(data):
                return
            self._loop.add_writer(self._fd, self._writable)
        self.backlog += memoryview(data)[sent:]

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self.backlog)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.drop()
            return
        was_high = len(self.backlog) > HIGH_WATER_BYTES
        del self.backlog[:sent]
        if not self.backlog:
            self._loop.remove_writer(self._fd)
            if self._closing:
                self._shut()
                return
        if was_high and len(self.backlog) <= HIGH_WATER_BYTES:
            exchange = self._current
            if exchange is not None and exchange.on_drained is not None:
                exchange.on_drained()

    # -- the end of a reply, and of the connection ---------------------------------------------

    def reply_over(self, close: bool) -> None:
        self._current = None
        if close or self._retiring:
            self.close_when_flushed()
        elif self._waiting:
            self._loop.call_soon(self._next)
        elif self.idle_close_s is not None:
            self._stop_idle_timer()
            self._idle_timer = self._loop.call_later(self.idle_close_s, self.close_when_flushed)

    def _next(self) -> None:
        if self._current is None and self._waiting and not self._closed:
            self._begin(self._waiting.pop(0))

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def close_when_flushed(self) -> None:
        self._closing = True
        if not self.backlog:
            self._shut()

    def retire(self) -> None:
        """Close it as soon as no request is being answered."""
        self._retiring = True
        if self._current is None:
            self.close_when_flushed()

    def reset(self) -> None:
        if not self._closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._shut()

    def drop(self) -> None:
        """The client has gone (FIN, RST or an error): close, and notify its request once."""
        exchange, self._current = self._current, None
        self._shut()
        if exchange is not None and exchange.open:
            exchange.open = False
            if exchange.on_gone is not None:
                exchange.on_gone()

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._stop_idle_timer()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        with contextlib.suppress(OSError):
            self._sock.close()
        self.backlog.clear()
        del self._parser  # it refers to us: the garbage collector is off, so break the cycle
        if self.on_closed is not None:
            self.on_closed(self)
