"""An OpenAI-compatible server that notes each request and the key it was sent, and may want a key."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class KeyCollector:
    """Serves on 127.0.0.1 until `close`. With `wanted`, another key is refused, and quoted in the refusal.

    The key comes in `header`; each reply sets `cookie`, and `cookies` are those that came back. `turns` are the
    chat requests.
    """

    def __init__(
        self,
        wanted: str | None = None,
        *,
        redirect_to: str = "",
        header: str = "authorization",
        cookie: str = "",
    ) -> None:
        self.seen: list[tuple[str, str]] = []
        self.cookies: list[str] = []
        self.turns = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.turns += 1
                self._answer()

            def _answer(self) -> None:
                key = self.headers.get(header, "")
                outer.seen.append((self.path, key))
                outer.cookies.append(self.headers.get("cookie", ""))
                if redirect_to:
                    self._send(307, "text/plain", b"", location=redirect_to + self.path)
                elif wanted is not None and key.removeprefix("Bearer ") != wanted and self.command == "POST":
                    words = {"error": {"message": f"Incorrect API key provided: {key}", "type": "auth"}}
                    self._send(401, "application/json", json.dumps(words).encode())
                elif self.path == "/v1/models":
                    models = {"object": "list", "data": [{"id": "m", "object": "model"}]}
                    self._send(200, "application/json", json.dumps(models).encode())
                elif self.command == "POST":
                    set_cookie = {"set-cookie": cookie} if cookie else {}
                    self._send(200, "text/event-stream", self._stream(f"your key is {key}"), **set_cookie)
                else:
                    self._send(404, "text/plain", b"")

            def _stream(self, text: str) -> bytes:
                choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
                last = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
                events = [json.dumps({"choices": each}) for each in (choices, last)]
                return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()

            def _send(self, status: int, kind: str, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in {
                    "content-type": kind,
                    "content-length": str(len(body)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def keys(self) -> set[str]:
        """Every Authorization header that came; empty ones left out."""
        return {key for _, key in self.seen if key}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
