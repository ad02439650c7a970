"""TGI 3.3.7: OpenAI routes beside the native ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.http.exchange import Request
from simulator.replies.encoder import Encoder
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import Response, compact
from simulator.replies.sse_encoder import SseEncoder
from simulator.schedulers.tgi_3 import PIECE_TOKENS, answer_limit
from simulator.servers.openai_body import Body, chat_params, completion_params, whole_number
from simulator.servers.tgi.handler import TgiHandler
from simulator.servers.tgi_3.chat_template import template_error, templated_text
from simulator.servers.tgi_3.metrics import HISTOGRAMS, METRICS
from simulator.servers.tgi_3.top_tokens import logprob_facts, with_top_tokens
from simulator.text.token_spans import BEGIN_ID, TokenSpan, token_id, token_spans

OPENAI_FIELDS = {
    "max_tokens": "u32",
    "temperature": "f32",
    "top_p": "f32",
    "seed": "u64",
    "frequency_penalty": "f32",
}


class Tgi3Handler(TgiHandler):
    """What changed since 0.9.3."""

    default_new_tokens = None
    full_text_by_default = True
    knows_top_tokens = True
    keeps_first_space = True
    metrics = METRICS
    histograms = HISTOGRAMS

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
        self.must_be(request, "inputs", inputs, "a string")
        begin = TokenSpan(BEGIN_ID, "", 0, 0)
        return Response(200, compact([one._asdict() for one in (begin, *token_spans(inputs))]))

    def _chat_tokenize(self, request: Request) -> Response:
        """`messages` after the chat template, with the text that it makes."""
        params = self._chat_body(request)[0]
        spans = [TokenSpan(token_id(text), text, 0, 0)._asdict() for text in params.prompt_texts]
        return Response(200, compact({"tokenize_response": spans, "templated_text": params.templated}))

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
            "model_pipeline_tag": None,
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

    def _chat_body(self, request: Request) -> tuple[GenerationParams, Body]:
        """A chat request with its messages as the chat template makes them."""
        body = self.body(request, "messages")
        self.must_be(request, "messages", body["messages"], "a sequence")
        messages = [each for each in body["messages"] if isinstance(each, dict)]
        params = chat_params(body, self.context.spec.template_tokens, 0)
        wrong = template_error(messages)
        if wrong:
            params.stream = False  # it is found before the stream begins
            raise self.refused(params, f"Template error: {wrong}", "template_error")
        params.templated = templated_text(messages)
        return params, body

    def _chat(self, request: Request) -> GenerationParams:
        params, body = self._chat_body(request)
        if body.get("logprobs") is True:
            params.top_tokens = whole_number(body.get("top_logprobs")) or 0
        return self._openai(params, body, request)

    def _completion(self, request: Request) -> GenerationParams:
        body = self.body(request, "prompt")
        return self._openai(completion_params(body, 0), body, request)

    def _openai(self, params: GenerationParams, body: Body, request: Request) -> GenerationParams:
        for name, expected in OPENAI_FIELDS.items():
            if body.get(name) is not None:
                self.must_be(request, name, body[name], expected)
        if params.endpoint == "chat" and "stream_options" in body:
            self.must_be(request, "stream_options", body["stream_options"], "struct StreamOptions")
        params.ignore_eos = False
        params.continuous_usage = False
        params.model = self.context.settings.model
        sampling = {name: body.get(name) for name in ("top_p", "frequency_penalty", "seed")}
        sampling["temperature"] = body.get("temperature") or None  # 0: greedy
        if body.get("max_tokens") is None:
            params.max_tokens = self.rest(params)
        self._validate(sampling, params, len(params.stops))
        return params

    def check_length(self, params: GenerationParams) -> None:
        """Only the first 1,024 tokens of an answer must fit; the others are made in pieces as long as they do."""
        asked = params.max_tokens
        self.refuse_length(params, min(asked, PIECE_TOKENS))
        if asked == self.rest(
            params
        ):  # nothing was asked for: then the last piece is as long as what is left
            return
        longest, total = self.context.limit("max_input_length"), self.context.limit("max_total_tokens")
        params.max_tokens = answer_limit(params.prompt_tokens, asked, longest, total)

    def details(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        """In a stream the prompt's length too."""
        found = super().details(reply, finish, count)
        if reply.job.params.stream:
            found["input_length"] = reply.job.params.prompt_tokens
        return found

    def prefill(self, params: GenerationParams) -> list[dict[str, Any]]:
        """Always empty."""
        return []

    def stream_encoder(self, job: Job, reply: Callable[[], Reply]) -> Encoder:
        """With the likeliest tokens beside each, if they were asked for."""
        encoder = super().stream_encoder(job, reply)
        if job.params.top_tokens is None:
            return encoder
        stream = with_top_tokens(self.context.spec.streams[job.params.endpoint], job.params)
        encoder = SseEncoder(
            stream, job, self.constants(job), lambda finish, count: self.final_values(reply(), finish, count)
        )
        encoder.upper_case_chunks = self.context.spec.head_format.upper_case_chunks
        return encoder

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """The OpenAI routes too."""
        if reply.job.params.endpoint == "generate":
            return super().non_streaming_response(reply, finish, count)
        body = compact(self._openai_response(reply, finish, count))
        times = self.times(reply, count)
        if reply.job.params.endpoint == "completion":
            times = tuple(line for line in times if not line.startswith("x-compute-time"))
        return Response(200, body, extra=times)

    def _openai_response(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        job, chat = reply.job, reply.job.params.endpoint == "chat"
        stopped = job.answer.stop is not None and finish == "stop"
        choice: dict[str, Any] = {"index": 0}
        text = self.text(reply, count)
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        logprobs = None
        if chat and job.params.top_tokens is not None:
            tokens = job.answer.tokens[:count]
            logprobs = {"content": [logprob_facts(token, job.params.top_tokens) for token in tokens]}
        choice |= {"logprobs": logprobs, "finish_reason": "stop_sequence" if stopped else finish}
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
