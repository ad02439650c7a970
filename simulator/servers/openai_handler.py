"""The part that OpenAI-like servers on FastAPI share: chat, and text completion where the spec has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact, retry_header
from simulator.servers.handler import ServerHandler
from simulator.servers.openai_body import Body, chat_params, completion_params, is_int, load, openai_answer


class OpenAiHandler(ServerHandler):
    """Routes, checks and answers; subclasses override what differs."""

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        routes: dict[str, Callable[[Request], GenerationParams]] = {"/v1/chat/completions": self._chat}
        if "completion" in self.context.spec.streams:
            routes["/v1/completions"] = self._completion
        return routes

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {"/health": self._health, "/v1/models": self._models}

    def _health(self) -> Response:
        return Response(200, content_type=None)

    def _models(self) -> Response:
        context = self.context
        card = {
            "id": context.settings.model,
            "object": "model",
            "created": context.started_s,
            "owned_by": context.spec.name,
        }
        return Response(200, compact({"object": "list", "data": [card]}))

    def bad(self, message: str, status: int = 400) -> RequestRefused:
        """An error in this server's form."""
        return RequestRefused(Response(status, compact({"detail": message})))

    def _body(self, request: Request, needed: str) -> Body:
        try:
            body = load(request.body)
        except json.JSONDecodeError as error:
            raise self.bad(f"JSON decode error at {error.pos}: {error.msg}", 422) from None
        if not isinstance(body, dict) or body.get(needed) is None:
            raise self.bad(f"{needed}: field required", 422)
        for name in ("max_tokens", "max_completion_tokens"):
            if body.get(name) is not None and not is_int(body[name]):
                raise self.bad(f"{name}: value is not a valid integer", 422)
            if body.get(name) is not None and body[name] < 1:
                raise self.bad(f"{name} must be at least 1, got {body[name]}")
        temperature = body.get("temperature")
        if temperature is not None and (
            isinstance(temperature, bool) or not isinstance(temperature, (int, float))
        ):
            raise self.bad("temperature: value is not a valid float", 422)
        if temperature is not None and temperature < 0:
            raise self.bad(f"temperature must be non-negative, got {temperature}")
        self.check(body)
        return body

    def check(self, body: Body) -> None:
        """Further checks of one server."""

    def _chat(self, request: Request) -> GenerationParams:
        body = self._body(request, "messages")
        if not isinstance(body["messages"], list | str):
            raise self.bad("messages: value is not a valid list", 422)
        return chat_params(body, self.context.spec.template_tokens, 0)

    def _completion(self, request: Request) -> GenerationParams:
        return completion_params(self._body(request, "prompt"), 16)

    def admit(self, params: GenerationParams, request: Request) -> None:
        """Prompt and answer must fit the context."""
        context = self.context.settings.max_model_len
        params.model = params.model or self.context.settings.model
        params.continuous_usage = False
        if params.prompt_tokens >= context or params.prompt_tokens + params.max_tokens > context:
            raise self.too_long(params, context)
        params.max_tokens = params.max_tokens or context - params.prompt_tokens

    def too_long(self, params: GenerationParams, context: int) -> RequestRefused:
        """The request does not fit."""
        asked = params.prompt_tokens + params.max_tokens
        return self.bad(
            f"This model's maximum context length is {context} tokens, but {asked} tokens were requested."
        )

    def fault_response(self, status: int, retry_after: float) -> Response:
        """A fault in this server's error form."""
        error = self.bad({429: "Too many requests", 503: "Service unavailable"}[status], status).response
        return Response(error.status, error.body, error.content_type, retry_header(retry_after))

    def failure_response(self, message: str) -> Response:
        """500."""
        return self.bad(message, 500).response

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """`chatcmpl-` and 32 digits."""
        return ("chatcmpl-" if params.endpoint == "chat" else "cmpl-") + self.context.hex_id(32)

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """The plain OpenAI form."""
        choice_end = {"logprobs": None, "finish_reason": finish}
        return Response(200, openai_answer(reply, count, choice_end, self.usage(reply, count)))
