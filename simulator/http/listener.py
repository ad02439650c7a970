"""A listening socket, and the connections it has accepted."""

from __future__ import annotations

import asyncio
import socket

from simulator.http.connection import Connection
from simulator.http.exchange import App
from simulator.http.receive_time import enable_timestamps


class Listener:
    """Accepts connections for one app."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        self._app = app
        self._loop = loop
        self._accepted = 0
        self._open: set[Connection] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_STREAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((host, port))
        self._sock.listen(2048)
        self._sock.setblocking(False)
        enable_timestamps(self._sock)
        self.port: int = self._sock.getsockname()[1]
        loop.add_reader(self._sock.fileno(), self._acceptable)

    def _acceptable(self) -> None:
        for _ in range(64):
            try:
                sock, _address = self._sock.accept()
            except OSError:
                return
            sock.setblocking(False)
            enable_timestamps(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted += 1
            connection = Connection(self._app, self._loop, sock, self._accepted)
            connection.on_closed = self._open.discard
            self._open.add(connection)

    def refuse(self) -> None:
        """Stop listening; connections stay as they are."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def retire(self) -> None:
        """Stop listening; each connection is closed when its request is answered, idle ones at once."""
        self.refuse()
        for connection in list(self._open):
            connection.retire()

    def close(self) -> None:
        """Stop listening and close every connection that is still open."""
        self.refuse()
        for connection in list(self._open):
            connection.drop()
