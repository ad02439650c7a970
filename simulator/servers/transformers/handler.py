"""transformers serve 5.23.0: its routes, errors and answers."""

from __future__ import annotations

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.response import Response
from simulator.servers.openai_body import Body
from simulator.servers.openai_handler import OpenAiHandler

_CHAT = ("messages", "model", "stream", "stream_options", "tools", "tool_choice", "response_format", "user")
_SAMPLING = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop", "n", "logit_bias")
_PENALTIES = ("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs")
KNOWN_FIELDS = {*_CHAT, *_SAMPLING, *_PENALTIES, "generation_config", "store", "metadata"}


class TransformersHandler(OpenAiHandler):
    """Refuses unknown fields."""

    def check(self, body: Body) -> None:
        """422 for unknown fields."""
        unknown = set(body) - KNOWN_FIELDS
        if unknown:
            raise self.bad(f"Unexpected fields in the request: {unknown}", 422)

    def _health(self) -> Response:
        return Response(200, b'{"status":"ok"}')

    def _models(self) -> Response:
        """As 5.23 answers with a model on disk and no way to the hub, whose models it would list."""
        return Response(500, b"Internal Server Error", "text/plain; charset=utf-8")

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """The request's id, also in a header."""
        return request.headers.get("x-request-id") or f"req_{self.context.hex_id(12)}"
