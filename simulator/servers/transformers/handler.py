"""transformers serve 5.23.0: its routes, errors and answers."""

from __future__ import annotations

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.response import Response
from simulator.servers.openai_body import Body
from simulator.servers.openai_handler import OpenAiHandler

KNOWN_FIELDS = {
    "messages", "model", "stream", "max_tokens", "temperature", "top_p", "seed", "stop", "frequency_penalty",
    "logit_bias", "tools", "tool_choice", "response_format", "stream_options", "n", "user", "logprobs",
    "top_logprobs", "presence_penalty", "generation_config", "max_completion_tokens", "store", "metadata",
}  # fmt: skip


class TransformersHandler(OpenAiHandler):
    """transformers serve: refuses fields it does not know."""

    def check(self, body: Body) -> None:
        """422 for unknown fields."""
        unknown = set(body) - KNOWN_FIELDS
        if unknown:
            raise self.bad(f"Unexpected fields in the request: {unknown}", 422)

    def _health(self) -> Response:
        return Response(200, b'{"status":"ok"}')

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """The request's id, also in a header."""
        return request.headers.get("x-request-id") or f"req_{self.context.hex_id(12)}"
