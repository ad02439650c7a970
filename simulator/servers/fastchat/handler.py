"""FastChat 0.2.36: its routes, errors and answers."""

from __future__ import annotations

from simulator.replies.job import GenerationParams
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.openai_body import Body
from simulator.servers.openai_handler import OpenAiHandler


class FastChatHandler(OpenAiHandler):
    """Every error is HTTP 400 with a five-digit code."""

    def bad(self, message: str, status: int = 400) -> RequestRefused:
        """See OpenAiHandler."""
        code = {429: 42901, 500: 50001, 503: 50001, 422: 40001}.get(status, 40001)
        return RequestRefused(Response(400, compact({"object": "error", "message": message, "code": code})))

    def check(self, body: Body) -> None:
        """The model must be there."""
        model = body.get("model")
        if model != self.context.settings.model:
            raise self.bad(f"Only {self.context.settings.model} allowed now, your model {model}")

    def too_long(self, params: GenerationParams, context: int) -> RequestRefused:
        """40303."""
        words = f"This model's maximum context length is {context} tokens."
        return RequestRefused(Response(400, compact({"object": "error", "message": words, "code": 40303})))
