"""TGI 3.3.7: OpenAI routes beside the native ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.reply import Reply
from simulator.replies.response import Response, compact
from simulator.servers.openai_body import Body, chat_params, completion_params
from simulator.servers.tgi.handler import TgiHandler
from simulator.servers.tgi.requests import wrong_shape
from simulator.text.token_spans import BEGIN_ID, TokenSpan, token_id, token_spans


class Tgi3Handler(TgiHandler):
    """What changed since 0.9.3."""

    default_new_tokens = 100

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        openai = {"/v1/chat/completions": self._chat, "/v1/completions": self._completion}
        return {**super().post_routes(), **openai}

    def post_pages(self) -> Mapping[str, Callable[[Request], Response]]:
        """See ServerHandler."""
        return {"/tokenize": self._tokenize, "/chat_tokenize": self._chat_tokenize}

    def _tokenize(self, request: Request) -> Response:
        """`inputs` as it is, after the token that begins every prompt."""
        inputs = self.body(request, "inputs")["inputs"]
        if not isinstance(inputs, str):
            raise wrong_shape("inputs: invalid type, expected a string", request.body)
        begin = TokenSpan(BEGIN_ID, "", 0, 0)
        return Response(200, compact([one._asdict() for one in (begin, *token_spans(inputs))]))

    def _chat_tokenize(self, request: Request) -> Response:
        """`messages` after the chat template, with the text that it makes."""
        body = self.body(request, "messages")
        if not isinstance(body["messages"], list):
            raise wrong_shape("messages: invalid type, expected a sequence", request.body)
        texts = chat_params(body, self.context.spec.template_tokens, 0).prompt_texts
        spans = [TokenSpan(token_id(text), text, 0, 0)._asdict() for text in texts]
        return Response(200, compact({"tokenize_response": spans, "templated_text": " ".join(texts)}))

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {**super().get_routes(), "/v1/models": self._models}

    def _models(self) -> Response:
        card = {
            "id": self.context.settings.model,
            "object": "model",
            "created": 0,
            "owned_by": self.context.settings.model,
        }
        return Response(200, compact({"object": "list", "data": [card]}))

    def info(self) -> dict[str, Any]:
        """`/info`."""
        settings = self.context.settings
        limits = settings.limits
        return {
            "model_id": settings.model,
            "model_sha": None,
            "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": settings.max_concurrent_requests,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": limits.get("max_input_length"),
            "max_total_tokens": limits.get("max_total_tokens"),
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "router": "text-generation-router",
            "version": self.context.spec.version,
            "sha": None,
            "docker_label": None,
        }

    def _chat(self, request: Request) -> GenerationParams:
        body = self.body(request, "messages")
        if not isinstance(body["messages"], list):
            raise wrong_shape("messages: invalid type, expected a sequence", request.body)
        return self._openai(chat_params(body, self.context.spec.template_tokens, 0), body)

    def _completion(self, request: Request) -> GenerationParams:
        body = self.body(request, "prompt")
        return self._openai(completion_params(body, 100), body)

    def _openai(self, params: GenerationParams, body: Body) -> GenerationParams:
        for name in ("max_tokens", "temperature", "top_p", "seed"):
            value = body.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise wrong_shape(f"{name}: invalid type", b"")
        if params.max_tokens < 0:
            raise wrong_shape("max_tokens: invalid value, expected u32", b"")
        self.overload(params.stream, params.endpoint)
        params.ignore_eos = False
        params.continuous_usage = False
        params.model = params.model or self.context.settings.model
        longest, total = self.context.limit("max_input_length"), self.context.limit("max_total_tokens")
        if not params.max_tokens:
            params.max_tokens = max(1, total - params.prompt_tokens)
        if body.get("temperature") is not None and float(body["temperature"]) < 0:
            words = "Input validation error: `temperature` must be strictly positive"
            raise self.refused(params.stream, words, "validation", params.endpoint)
        self.check_length(params, longest, total)
        return params

    def details(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        """The prompt's length too."""
        return {**super().details(reply, finish, count), "input_length": reply.job.params.prompt_tokens}

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """The OpenAI routes too."""
        if reply.job.params.endpoint == "generate":
            return super().non_streaming_response(reply, finish, count)
        body = compact(self._openai_response(reply, finish, count))
        return Response(200, body, extra=self.times(reply, count))

    def _openai_response(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        job, chat = reply.job, reply.job.params.endpoint == "chat"
        stopped = job.answer.stop is not None and finish == "stop"
        choice: dict[str, Any] = {"index": 0}
        text = self.text(reply, count)
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice |= {"logprobs": None, "finish_reason": "stop_sequence" if stopped else finish}
        counts = self.usage(reply, count)
        usage = {key: counts[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
        return {
            "object": "chat.completion" if chat else "text_completion",
            "id": "",
            "created": job.created,
            "model": job.params.model,
            "system_fingerprint": self.fingerprint(),
            "choices": [choice],
            "usage": usage,
        }

    def times(self, reply: Reply, count: int) -> tuple[str, ...]:
        """Token counts too."""
        counts = (f"x-prompt-tokens: {reply.job.params.prompt_tokens}", f"x-generated-tokens: {count}")
        return super().times(reply, count) + counts

    def compute_time(self, total_ns: int) -> str:
        """`x-compute-time`: seconds."""
        return f"{total_ns / 1e9:.9g}"
