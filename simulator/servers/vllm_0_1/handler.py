"""vLLM 0.1.2 (July 2023): its OpenAI server and its native server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from simulator.http.exchange import Request
from simulator.replies.encoder import Encoder
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact, spaced
from simulator.servers.handler import ServerHandler
from simulator.servers.openai_body import (
    Body,
    chat_params,
    completion_params,
    load,
    openai_answer,
    stop_strings,
)
from simulator.servers.vllm.model_card import permission
from simulator.servers.vllm_0_1.cumulative_encoder import CumulativeEncoder
from simulator.servers.vllm_0_1.sampling import CRASH, SAMPLING, numbers_fit, sampling_error
from simulator.text.tokens import token_texts


class OpenAiHandler012(ServerHandler):
    """vLLM 0.1.2's OpenAI server."""

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {"/v1/chat/completions": self._chat, "/v1/completions": self._completion}

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """Only the list of models; no /health, /metrics, /version."""
        return {"/v1/models": self._models}

    def _models(self) -> Response:
        context = self.context
        model, created = context.settings.model, context.started_s
        card = {
            "id": model,
            "object": "model",
            "created": created,
            "owned_by": "vllm",
            "root": model,
            "parent": None,
            "permission": [permission(f"modelperm-{context.hex_id(32)}", created)],
        }
        return Response(200, compact({"object": "list", "data": [card]}))

    def _error(self, message: str, status: int = 400) -> RequestRefused:
        error = {
            "object": "error",
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
        return RequestRefused(Response(status, compact(error)))

    def _body(self, request: Request, needed: str, temperature: float) -> Body:
        """Parse the body as 0.1.2 does: a body that does not fit its schema crashes the handler."""
        try:
            body = load(request.body)
        except json.JSONDecodeError:
            raise RequestRefused(CRASH) from None
        fits = isinstance(body, dict) and isinstance(body.get("model"), str) and body.get(needed) is not None
        if not fits:
            raise RequestRefused(CRASH)
        body = {
            key: value for key, value in body.items() if value is not None and key != "max_completion_tokens"
        }
        if not numbers_fit(body):
            raise RequestRefused(CRASH)
        if body["model"] != self.context.settings.model:
            raise self._error(f"The model `{body['model']}` does not exist.", 404)
        if body.get("logit_bias"):
            raise self._error("logit_bias is not currently supported")
        for name in ("echo", "suffix") if needed == "prompt" else ():
            if body.get(name):
                raise self._error(f"{name} is not currently supported")
        return {"temperature": temperature, **body}

    def _chat(self, request: Request) -> GenerationParams:
        body = self._body(request, "messages", 0.7)
        if not isinstance(body["messages"], (str, list)):
            raise RequestRefused(CRASH)
        params = chat_params(body, self.context.spec.template_tokens, 16)
        limit = self.context.settings.max_model_len
        if params.prompt_tokens + params.max_tokens > limit:
            raise self._error(
                f"This model's maximum context length is {limit} tokens. However, you requested "
                f"{params.prompt_tokens + params.max_tokens} tokens ({params.prompt_tokens} in the messages, "
                f"{params.max_tokens} in the completion). Please reduce the length of the messages or completion."
            )
        self._check(body)
        return params

    def _completion(self, request: Request) -> GenerationParams:
        body = self._body(request, "prompt", 1.0)
        prompt = body["prompt"]
        if isinstance(prompt, list):
            if len(prompt) > 1 and isinstance(prompt[0], str):
                raise self._error("multiple prompts in a batch is not currently supported")
            if not prompt:
                raise self._error("please provide at least one prompt")
        self._check(body)
        return completion_params(body, 16)

    def _check(self, body: Body) -> None:
        error = sampling_error(body)
        if error is not None:
            raise self._error(error)

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """`cmpl-` for chats too."""
        return f"cmpl-{self.context.hex_id(32)}"

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """Compact JSON, unlike the stream."""
        logprobs = {} if reply.job.params.endpoint == "chat" else {"logprobs": None}
        choice_end = {**logprobs, "finish_reason": finish}
        return Response(200, openai_answer(reply, count, choice_end, self.usage(reply, count)))


class NativeHandler(ServerHandler):
    """vLLM 0.1.2's demo server: POST /generate and nothing else."""

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {"/generate": self._generate}

    def _generate(self, request: Request) -> GenerationParams:
        try:
            body = load(request.body)
        except json.JSONDecodeError:
            raise RequestRefused(CRASH) from None
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
            raise RequestRefused(CRASH)
        sampling = {key: value for key, value in body.items() if key not in ("prompt", "stream")}
        for key in ("best_of", "logprobs"):  # these two may be null
            if sampling.get(key) is None:
                sampling.pop(key, None)
        if set(sampling) - SAMPLING or not numbers_fit(sampling) or sampling_error(sampling) is not None:
            raise RequestRefused(CRASH)
        texts = token_texts(body["prompt"])
        return GenerationParams(
            endpoint="generate",
            prompt=body["prompt"],
            model=self.context.settings.model,
            stream=bool(body.get("stream")),
            max_tokens=sampling.get("max_tokens", 16),
            ignore_eos=bool(sampling.get("ignore_eos")),
            stops=stop_strings(sampling.get("stop")),
            prompt_texts=texts,
            prompt_tokens=max(1, len(texts)),
        )

    def stream_encoder(self, job: Job, reply: Callable[[], Reply]) -> Encoder:
        """Frames of the whole text so far, ended by NUL."""
        return CumulativeEncoder(job)

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """The prompt and the answer in one string, ASCII, without a content type."""
        text = reply.job.params.prompt + reply.job.answer.text(count)
        return Response(200, spaced({"text": [text]}), content_type=None)
