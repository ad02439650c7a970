"""lmdeploy 0.18.0: its routes, errors and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact
from simulator.replies.stream_format import StreamFormat
from simulator.servers.lmdeploy.metrics import HISTOGRAMS, LmdeployMetrics
from simulator.servers.lmdeploy.requests import Needs, checked_body, refused
from simulator.servers.lmdeploy.wire import CHAT_WITH_IDS
from simulator.servers.openai_body import chat_params, completion_params
from simulator.servers.openai_handler import OpenAiHandler
from simulator.servers.vllm.model_card import permission
from simulator.text.tokens import token_texts

_ID_DIGITS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class LmdeployHandler(OpenAiHandler):
    """Chat, text completion and its own `/generate`; errors are one flat object."""

    histograms = HISTOGRAMS

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._completion,
            "/generate": self._generate,
        }

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        metrics = LmdeployMetrics(self.context)
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return {
            **super().get_routes(),
            "/metrics": lambda: Response(200, content_type=kind, chunks=(metrics.page(),)),
        }

    def post_pages(self) -> Mapping[str, Callable[[Request], Response]]:
        """See ServerHandler."""
        return {"/v1/encode": self._encode, "/v1/messages": self._messages}

    def bad(self, message: str, status: int = 400) -> RequestRefused:
        """See OpenAiHandler."""
        return refused(message, status)

    def _health(self) -> Response:
        return Response(200, compact({"status": "healthy", "message": "PyTorch engine is healthy."}))

    def _models(self) -> Response:
        created = self.context.started_s
        cards = [
            {
                "id": name,
                "object": "model",
                "created": created,
                "owned_by": "lmdeploy",
                "root": name,
                "parent": None,
                "permission": [
                    permission(f"modelperm-{self._short_id()}", created) | {"allow_search_indices": True}
                ],
            }
            for name in self.context.settings.models
        ]
        return Response(200, compact({"object": "list", "data": cards}))

    def _encode(self, request: Request) -> Response:
        body = checked_body(request, Needs("input", model=False), ())
        ids = [1, *(sum(text.encode()) % 32000 for text in token_texts(str(body["input"])))]
        return Response(200, compact({"input_ids": ids, "length": len(ids)}))

    def _messages(self, request: Request) -> Response:
        """Only the error of a request without `anthropic-version` was captured; no answer of this route is made."""
        words = "Missing required header: anthropic-version"
        if request.headers.get("anthropic-version"):
            words = "not simulated"
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
        return Response(400, compact(error))

    # -- reading -------------------------------------------------------------------------------

    def _chat(self, request: Request) -> GenerationParams:
        body = checked_body(request, Needs("messages"), self.context.settings.models)
        return _with_its_stops(chat_params(body, self.context.spec.template_tokens, 0))

    def _completion(self, request: Request) -> GenerationParams:
        body = checked_body(request, Needs("prompt"), self.context.settings.models)
        params = _with_its_stops(completion_params(body, 0))
        params.return_token_ids = False
        return params

    def _generate(self, request: Request) -> GenerationParams:
        body = checked_body(request, Needs("prompt", model=False), ()) if b'"prompt"' in request.body else {}
        if not body:
            raise refused("You must specify exactly one of prompt or input_ids")
        params = _with_its_stops(completion_params(body, 0))
        params.endpoint, params.return_token_ids, params.include_usage = "generate", True, False
        return params

    def admit(self, params: GenerationParams, request: Request) -> None:
        """The prompt must be shorter than the context; `max_tokens` is cut to what is left, without a word."""
        context = self.context.settings.max_model_len
        if params.prompt_tokens >= context:
            raise refused(
                f"Input length ({params.prompt_tokens}) must be smaller than the model context length ({context})."
            )
        left = context - params.prompt_tokens
        params.max_tokens = min(params.max_tokens or left, left)
        params.continuous_usage = params.endpoint == "generate"
        params.model = params.model or self.context.settings.model

    # -- answers -------------------------------------------------------------------------------

    def stream_format(self, job: Job) -> StreamFormat:
        """See ServerHandler."""
        if job.params.endpoint == "chat" and job.params.return_token_ids:
            return CHAT_WITH_IDS
        return super().stream_format(job)

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """A short id in chat; text completions all have "-1"."""
        return f"chatcmpl-{self._short_id()}" if params.endpoint == "chat" else "-1"

    def _short_id(self) -> str:
        number, digits = int(self.context.hex_id(32), 16), ""
        for _ in range(22):
            number, digit = divmod(number, len(_ID_DIGITS))
            digits += _ID_DIGITS[digit]
        return digits

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """See ServerHandler."""
        job, usage = reply.job, self.usage(reply, count)
        answer = job.answer
        ids = [token.token_id for token in answer.tokens[:count]]
        if job.params.endpoint == "generate":
            counts = {name: usage[name] for name in ("prompt_tokens", "completion_tokens")}
            names = ("output_token", "input_token", "output_top", "input_top")
            nothing = {f"{name}_logprobs": None for name in names} | {"routed_experts": None}
            told = counts | {"finish_reason": {"type": finish}} | nothing
            return Response(200, compact({"text": answer.text(count), "output_ids": ids, "meta_info": told}))
        chat = job.params.endpoint == "chat"
        choice: dict[str, object] = {"index": 0}
        if chat:
            message = {"role": "assistant", "content": answer.text(count)}
            choice["message"] = message | {"reasoning_content": None, "tool_calls": None}
            choice |= {"logprobs": None, "output_token_logprobs": None, "finish_reason": finish}
            choice |= {"output_ids": ids if job.params.return_token_ids else None, "routed_experts": None}
        else:
            choice |= {"text": answer.text(count), "logprobs": None, "finish_reason": finish}
        whole = {
            "id": job.reply_id,
            "object": "chat.completion" if chat else "text_completion",
            "created": job.created,
            "model": job.params.model,
            "choices": [choice],
            "usage": {
                **usage,
                "prompt_tokens_details": {"cached_tokens": 0} if chat else None,
                "completion_tokens_details": None,
            },
        }
        return Response(200, compact(whole | {"service_tier": None} if chat else whole))


def _with_its_stops(params: GenerationParams) -> GenerationParams:
    """Stop strings of several tokens never end an answer here."""
    params.stops = tuple(stop for stop in params.stops if len(token_texts(stop)) == 1)
    return params
