"""Ollama's routes, checks and answers. Calls of tools, thinking, images and its other routes are missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from simulator.http.exchange import Request
from simulator.replies.encoder import Encoder
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact
from simulator.replies.typed_encoder import TypedEncoder, now
from simulator.servers.handler import ServerHandler
from simulator.servers.ollama.wire import LINES
from simulator.servers.openai_body import (
    Body,
    chat_params,
    load,
    openai_answer,
    stop_strings,
    whole_number,
)
from simulator.servers.reply_timings import timings_of

JSON = "application/json; charset=utf-8"
MOST_QUEUED = 512
"""OLLAMA_MAX_QUEUE."""


def bad(message: str, status: int = 400) -> RequestRefused:
    """An error of Ollama's own route."""
    return RequestRefused(Response(status, compact({"error": message}), JSON))


def bad_chat(message: str, status: int = 400) -> RequestRefused:
    """An error of OpenAI's route."""
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(status, "api_error")
    error = {"message": message, "type": kind, "param": None, "code": None}
    return RequestRefused(Response(status, compact({"error": error}), JSON))


class OllamaHandler(ServerHandler):
    """Ollama's server."""

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {"/api/chat": self._lines, "/v1/chat/completions": self._chat}

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {
            "/": lambda: Response(200, b"Ollama is running", "text/plain; charset=utf-8"),
            "/api/version": lambda: Response(200, compact({"version": self.context.spec.version}), JSON),
            "/api/tags": lambda: Response(200, compact({"models": [self._model()]}), JSON),
            "/v1/models": self._models,
        }

    def _model(self) -> dict[str, Any]:
        name = self.context.settings.model
        details = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"]}
        return {"name": name, "model": name, "size": 0, "digest": "0" * 64, "details": details}

    def _models(self) -> Response:
        card = {
            "id": self.context.settings.model,
            "object": "model",
            "created": self.context.started_s,
            "owned_by": "library",
        }
        return Response(200, compact({"object": "list", "data": [card]}), JSON)

    def not_found(self, allowed: str | None) -> Response:
        """As gin words them."""
        if allowed is not None:
            return Response(405, b"405 method not allowed", "text/plain", extra=(f"Allow: {allowed}",))
        return Response(404, b"404 page not found", "text/plain")

    def fault_response(self, status: int, retry_after: float) -> Response:
        """503 as for a full queue; a 429 could only come from a proxy."""
        busy = "server busy, please try again.  maximum pending requests exceeded"
        return bad("too many requests" if status == 429 else busy, status).response

    def failure_response(self, message: str) -> Response:
        """500."""
        return bad(LINES.error_words, 500).response

    # -- reading -------------------------------------------------------------------------------

    def _body(self, request: Request, refused: Callable[[str, int], RequestRefused]) -> Body:
        if not request.body:
            raise refused("missing request body", 400)
        try:
            body = load(request.body)
        except json.JSONDecodeError:
            raise refused("unexpected EOF", 400) from None
        if not isinstance(body, dict) or not body.get("model"):
            raise refused("model is required", 400)
        if body["model"] != self.context.settings.model:
            raise refused(f"model '{body['model']}' not found", 404)
        return body

    def _lines(self, request: Request) -> GenerationParams:
        body = self._body(request, bad)
        options = body.get("options")
        options = options if isinstance(options, dict) else {}
        params = chat_params(body, self.context.spec.template_tokens, -1)
        params.endpoint = "lines"
        params.stream = body.get("stream", True) is not False
        wanted = whole_number(options.get("num_predict"))
        params.max_tokens = wanted if wanted is not None and wanted > 0 else -1
        params.stops = stop_strings(options.get("stop"))
        params.ignore_eos = False
        return params

    def _chat(self, request: Request) -> GenerationParams:
        body = self._body(request, bad_chat)
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            raise bad_chat("[] is too short - 'messages'")
        params = chat_params(body, self.context.spec.template_tokens, -1)
        params.ignore_eos = False
        return params

    def admit(self, params: GenerationParams, request: Request) -> None:
        """A full queue refuses; a prompt that is too long loses its beginning without a word."""
        if self.context.open_requests >= MOST_QUEUED:
            raise bad("server busy, please try again.  maximum pending requests exceeded", 503)
        context = self.context.settings.max_model_len
        params.continuous_usage = False
        params.prompt_tokens = min(params.prompt_tokens, context - 1)
        params.prompt_texts = params.prompt_texts[-params.prompt_tokens :]
        room = context - params.prompt_tokens
        params.max_tokens = min(params.max_tokens, room) if params.max_tokens > 0 else room

    # -- answering -----------------------------------------------------------------------------

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """`chatcmpl-` and up to three digits."""
        return f"chatcmpl-{int(self.context.hex_id(8), 16) % 999}"

    def fingerprint(self) -> str:
        """The same of every model."""
        return "fp_ollama"

    def stream_encoder(self, job: Job, reply: Callable[[], Reply]) -> Encoder:
        """See ServerHandler."""
        if job.params.endpoint != "lines":
            return super().stream_encoder(job, reply)
        return TypedEncoder(
            LINES, job, self.constants(job), lambda finish, count: self.final_values(reply(), finish, count)
        )

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """Counts and times, in ns, of the last line."""
        return {"durations": compact(self._metrics(reply, count))[1:-1]}

    def _metrics(self, reply: Reply, count: int) -> dict[str, int]:
        timings = timings_of(reply, count)
        prompt_ns, answer_ns = round(timings["prompt_ms"] * 1e6), round(timings["predicted_ms"] * 1e6)
        return {
            "total_duration": prompt_ns + answer_ns + 1_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": reply.job.params.prompt_tokens,
            "prompt_eval_duration": prompt_ns,
            "eval_count": max(0, count + reply.job.usage_error),
            "eval_duration": answer_ns,
        }

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """One line of the stream's form, or the plain OpenAI form."""
        job, params = reply.job, reply.job.params
        if params.endpoint != "lines":
            choice_end = {"finish_reason": finish}
            return Response(200, openai_answer(reply, count, choice_end, self.usage(reply, count)), JSON)
        answer = {
            "model": params.model,
            "created_at": now().decode(),
            "message": {"role": "assistant", "content": job.answer.text(count)},
            "done": True,
            "done_reason": finish,
            **self._metrics(reply, count),
        }
        return Response(200, orjson.dumps(answer), JSON)
