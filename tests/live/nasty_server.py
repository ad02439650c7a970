"""An OpenAI-compatible server whose every word is an attack on whoever shows it. Prints its port."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ATTACK = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


class Nasty(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._answer(
                200, {"object": "list", "data": [{"id": ATTACK, "object": "model", "owned_by": ATTACK}]}
            )
        elif self.path == "/version":
            self._answer(200, {"version": ATTACK})
        else:
            self._answer(404, {"detail": ATTACK})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Nasty.asked += 1
        if Nasty.asked % 3 == 0:
            self._answer(500, {"error": {"message": ATTACK, "type": ATTACK}})
            return
        pieces = [{"content": ATTACK}, {"content": "</script>" + ATTACK}]
        body = "".join(f"data: {json.dumps(self._piece(piece, None))}\n\n" for piece in pieces)
        body += f"data: {json.dumps(self._piece({}, 'stop'))}\n\ndata: [DONE]\n\n"
        self._send(200, "text/event-stream", body.encode())

    def _piece(self, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": ATTACK, "object": "chat.completion.chunk", "model": ATTACK, "choices": [choice]}

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status, "OK")
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nasty)
    print(server.server_address[1], flush=True)
    server.serve_forever()
