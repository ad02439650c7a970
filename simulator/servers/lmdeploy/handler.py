"""lmdeploy 0.18.0: its routes, errors and answers."""

from __future__ import annotations

from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.openai_handler import OpenAiHandler


class LmdeployHandler(OpenAiHandler):
    """Errors are one flat object."""

    def bad(self, message: str, status: int = 400) -> RequestRefused:
        """See OpenAiHandler."""
        kind = "invalid_request_error" if status < 500 else "internal_server_error"
        error = {"message": message, "type": kind, "code": status, "param": None, "object": "error"}
        return RequestRefused(Response(status, compact(error)))

    def _health(self) -> Response:
        return Response(200, b'{"status":"healthy"}')
