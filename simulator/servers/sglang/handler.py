"""SGLang 0.5.23: its routes, errors and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.openai_handler import OpenAiHandler
from simulator.text.token_spans import token_spans


class SglangHandler(OpenAiHandler):
    """Errors are objects with `object: error`."""

    def post_pages(self) -> Mapping[str, Callable[[Request], Response]]:
        """See ServerHandler."""
        return dict.fromkeys(("/tokenize", "/v1/tokenize"), self._tokenize)

    def _tokenize(self, request: Request) -> Response:
        ids = [one.id for one in token_spans(str(self._body(request, "prompt")["prompt"]))]
        longest = self.context.settings.max_model_len
        return Response(200, compact({"tokens": ids, "count": len(ids), "max_model_len": longest}))

    def bad(self, message: str, status: int = 400) -> RequestRefused:
        """See OpenAiHandler."""
        kind = {400: "BadRequestError", 422: "BadRequest"}.get(status, "InternalServerError")
        status = 400 if status == 422 else status
        error = {"object": "error", "message": message, "type": kind, "param": None, "code": status}
        return RequestRefused(Response(status, compact(error)))

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """32 digits, no prefix."""
        return self.context.hex_id(32)

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """What it stopped at: the id of EOS, a string, or nothing."""
        matched: object = None
        if finish == "stop":
            matched = reply.job.answer.stop or 2
        return {"matched": compact(matched)}
