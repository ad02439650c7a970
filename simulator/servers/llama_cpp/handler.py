"""llama.cpp's llama-server. Errors before the first token have their HTTP status; replies carry timings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.handler import ServerHandler
from simulator.servers.llama_cpp.metrics import metrics_page
from simulator.servers.openai_body import Body, chat_params, completion_params, is_int, load
from simulator.servers.reply_timings import timings_of
from simulator.text.token_spans import token_spans

JSON = "application/json; charset=utf-8"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MAX_INT = 2147483647


def bad(
    message: str, kind: str = "invalid_request_error", status: int = 400, **more: object
) -> RequestRefused:
    """An error with llama.cpp's body; the server closes the connection after it."""
    error = {"error": {"code": status, "message": message, "type": kind, **more}}
    return RequestRefused(Response(status, compact(error), JSON, close=True))


class LlamaCppHandler(ServerHandler):
    """llama-server's routes, checks, errors and answers."""

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        chat, text = self._chat, self._completion
        return {"/v1/chat/completions": chat, "/chat/completions": chat, "/v1/completions": text}

    def post_pages(self) -> Mapping[str, Callable[[Request], Response]]:
        """See ServerHandler."""
        return {"/tokenize": self._tokenize}

    def _tokenize(self, request: Request) -> Response:
        """The tokens of `content`, none where there is none; with `with_pieces`, their texts too."""
        body = self._json(request)
        content = body.get("content", "") if isinstance(body, dict) else ""
        if not isinstance(content, str):
            raise bad("[json.exception.type_error.302] type must be string, but is number")
        spans = list(token_spans(content))
        if body.get("with_pieces"):
            return Response(200, compact({"tokens": [{"id": s.id, "piece": s.text} for s in spans]}), JSON)
        return Response(200, compact({"tokens": [one.id for one in spans]}), JSON)

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {
            "/health": self._health,
            "/v1/health": self._health,
            "/v1/models": self._models,
            "/models": self._models,
            "/props": lambda: Response(200, compact(self._props()), JSON),
            "/slots": lambda: Response(200, compact(self._slots()), JSON),
            "/metrics": lambda: Response(200, metrics_page(self.context), "text/plain; version=0.0.4"),
        }

    @property
    def _slot_count(self) -> int:
        return int(str(self.context.settings.limits.get("max_num_seqs", 4)))

    def _health(self) -> Response:
        return Response(200, b'{"status":"ok"}', JSON)

    def _models(self) -> Response:
        settings = self.context.settings
        card = {
            "id": settings.model,
            "aliases": [settings.model],
            "tags": [],
            "object": "model",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "created": self.context.started_s,
            "owned_by": "llamacpp",
            "meta": {"vocab_type": 2, "n_vocab": 32000, "n_ctx": settings.max_model_len, "n_ctx_train": 4096},
        }
        name = settings.model
        old = {"name": name, "model": name, "type": "model", "capabilities": ["completion"]}
        return Response(200, compact({"models": [old], "object": "list", "data": [card]}), JSON)

    def _props(self) -> dict[str, Any]:
        settings = self.context.settings
        return {
            "default_generation_settings": {
                "params": {"temperature": 0.8, "max_tokens": -1},
                "n_ctx": settings.max_model_len,
            },
            "total_slots": self._slot_count,
            "model_alias": settings.model,
            "model_path": f"{settings.model}.gguf",
            "build_info": self.context.spec.version,
            "is_sleeping": False,
        }

    def _slots(self) -> list[dict[str, Any]]:
        busy = self.context.gauges().running
        context = self.context.settings.max_model_len
        return [
            {"id": slot, "n_ctx": context, "speculative": False, "is_processing": slot < busy}
            for slot in range(self._slot_count)
        ]

    # -- errors --------------------------------------------------------------------------------

    def not_found(self, allowed: str | None) -> Response:
        """Everything unknown is a 404, wrong methods too."""
        return Response(
            404,
            b'{"error":{"message":"File Not Found","type":"not_found_error","code":404}}',
            JSON,
            close=True,
        )

    def fault_response(self, status: int, retry_after: float) -> Response:
        """503 as while loading the model; a 429 could only come from a proxy."""
        if status == 429:
            return bad("Too many requests", "rate_limit_error", 429).response
        return bad("Loading model", "unavailable_error", 503).response

    def failure_response(self, message: str) -> Response:
        """500."""
        return bad(message, "server_error", 500).response

    # -- reading -------------------------------------------------------------------------------

    def _json(self, request: Request) -> Any:
        """The JSON of a body."""
        where = "[json.exception.parse_error.101] parse error at line 1, column"
        if not request.body:
            raise bad(
                f"{where} 1: attempting to parse an empty input; check that your input string or stream contains the "
                "expected JSON"
            )
        try:
            return load(request.body)
        except json.JSONDecodeError as error:
            raise bad(
                f"{where} {error.pos + 1}: syntax error while parsing value - unexpected end of input; expected '[', "
                "'{', or a literal"
            ) from None

    def _body(self, request: Request, needed: str) -> Body:
        """Parse the body. The content type and the ranges of sampling parameters are not checked."""
        body = self._json(request)
        if not isinstance(body, dict) or body.get(needed) is None:
            raise bad(f"'{needed}' is required")
        wanted = body.get("max_tokens")
        if wanted is not None and not is_int(wanted) and not isinstance(wanted, float):
            kind = "string" if isinstance(wanted, str) else type(wanted).__name__
            raise bad(
                f"Field 'max_tokens': [json.exception.type_error.302] type must be number, but is {kind}"
            )
        if wanted is not None and not -1 <= wanted <= MAX_INT:
            raise bad(f"Field 'max_tokens': Value must be between -1 <= value <= {MAX_INT}, but got {wanted}")
        found: Body = body
        return found

    def _chat(self, request: Request) -> GenerationParams:
        body = self._body(request, "messages")
        if not isinstance(body["messages"], list):
            raise bad("Expected 'messages' to be an array")
        return chat_params(body, self.context.spec.template_tokens, -1)

    def _completion(self, request: Request) -> GenerationParams:
        return completion_params(self._body(request, "prompt"), -1)

    def admit(self, params: GenerationParams, request: Request) -> None:
        """The prompt must fit the context; the answer is cut to what is left of it."""
        context = self.context.settings.max_model_len
        params.model = params.model or self.context.settings.model
        params.continuous_usage = False
        if params.prompt_tokens >= context:
            raise bad(
                f"request ({params.prompt_tokens} tokens) exceeds the available context size ({context} tokens), try "
                "increasing it",
                "exceed_context_size_error",
                n_prompt_tokens=params.prompt_tokens,
                n_ctx=context,
            )
        room = context - params.prompt_tokens
        params.max_tokens = room if params.max_tokens < 0 else max(1, min(params.max_tokens, room))

    # -- answering -----------------------------------------------------------------------------

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """`chatcmpl-` and 32 letters and digits, for texts too."""
        number = int(self.context.hex_id(48), 16)
        letters = []
        for _ in range(32):
            number, letter = divmod(number, len(LETTERS))
            letters.append(LETTERS[letter])
        return "chatcmpl-" + "".join(letters)

    def fingerprint(self) -> str:
        """The build."""
        return self.context.spec.version

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """Timings, for the last event."""
        timings = compact(timings_of(reply, count))
        shown = b"" if reply.job.params.include_usage else b',"timings":' + timings
        return {"timings": timings, "finish_timings": shown, "cached": b"0"}

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """Choices first."""
        job, chat = reply.job, reply.job.params.endpoint == "chat"
        text = job.answer.text(count)
        counts = self.usage(reply, count)
        usage = {key: counts[key] for key in ("completion_tokens", "prompt_tokens", "total_tokens")}
        choice: dict[str, Any]
        if chat:
            choice = {"finish_reason": finish, "index": 0, "message": {"role": "assistant", "content": text}}
        else:
            choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        answer = {
            "choices": [choice],
            "created": job.created,
            "model": job.params.model,
            "system_fingerprint": self.fingerprint(),
            "object": "chat.completion" if chat else "text_completion",
            "usage": {**usage, "prompt_tokens_details": {"cached_tokens": 0}},
            "id": job.reply_id,
            "timings": timings_of(reply, count),
        }
        return Response(200, compact(answer), JSON)
