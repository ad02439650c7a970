"""HTTP servers in threads of this process, each with its answers by path; they note what they are asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, bytes, dict[str, str]]
NOT_FOUND: Reply = (404, b'{"detail":"Not Found"}', {})
NOT_ALLOWED: Reply = (405, b'{"detail":"Method Not Allowed"}', {})


def as_json(status: int = 200, **content: object) -> Reply:
    return status, json.dumps(content).encode(), {"content-type": "application/json"}


def models(*ids: str, owner: str = "me") -> Reply:
    return as_json(object="list", data=[{"id": one, "owned_by": owner} for one in ids])


class Answering:
    """Serves on 127.0.0.1. `answers` are by path without its query; `everything` answers the others.

    `key` is the header, with its value, that every request must have.
    """

    def __init__(
        self,
        answers: Mapping[str, Reply] | None = None,
        everything: Reply | Callable[[str], Reply] = NOT_FOUND,
        *,
        key: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                found = (answers or {}).get(self.path.partition("?")[0], everything)
                status, body, headers = found(self.path) if callable(found) else found
                if key is not None and self.headers.get(key[0]) != key[1]:
                    status, body, headers = 401, b"{}", {}
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def version_string(self) -> str:
                return "nginx"

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64  # all probes come at once

            def handle_error(self, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            # Handshakes in the handlers' threads: a client that gives up in one must not keep `close` waiting.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.authority = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Speaking:
    """Answers each connection with the same bytes, then closes it: no HTTP server."""

    def __init__(self, words: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.authority = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._words = words
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            with made:
                made.recv(1000)
                made.sendall(self._words)

    def close(self) -> None:
        self._listener.close()
