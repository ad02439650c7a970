"""vLLM with the V1 engine (0.32, 0.33): routes, errors, answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

import orjson

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact, retry_header
from simulator.replies.tool_call import called_tool
from simulator.servers.handler import ServerHandler
from simulator.servers.openai_body import Body, chat_params, completion_params, is_int, load
from simulator.servers.vllm.metrics import HISTOGRAMS, metrics_page
from simulator.servers.vllm.model_card import permission
from simulator.servers.vllm.wire import ENGINE_DEAD
from simulator.text.token_spans import TokenSpan, token_id, token_spans

_INTEGERS = ("max_tokens", "max_completion_tokens", "min_tokens", "n", "seed")
_NUMBER_TYPES = dict.fromkeys(_INTEGERS, "int") | {"temperature": "float", "top_p": "float"}


def bad(
    message: str, kind: str = "BadRequestError", param: str | None = None, status: int = 400
) -> RequestRefused:
    """vLLM's error body."""
    error = {"error": {"message": message, "type": kind, "param": param, "code": status}}
    return RequestRefused(Response(status, compact(error)))


def _schema(kind: str, where: str, words: str, given: str, more: str = "") -> RequestRefused:
    message = f"1 validation error:\n  {{'type': '{kind}', 'loc': '{where}', 'msg': '{words}', 'input': {given}{more}}}"
    return bad(message, "Bad Request", where)


def missing(body: Body, name: str) -> RequestRefused:
    """The error of a body without a field that it needs."""
    return _schema("missing", f"body.{name}", "Field required", f"'<dict of {len(body)} items>'")


class VllmHandler(ServerHandler):
    """vLLM's API server."""

    histograms = HISTOGRAMS

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {"/v1/chat/completions": self._chat, "/v1/completions": self._completion}

    def post_pages(self) -> Mapping[str, Callable[[Request], Response]]:
        """See ServerHandler."""
        return {"/tokenize": self._tokenize}

    def _tokenize(self, request: Request) -> Response:
        """`prompt` as it is, or `messages` after the chat template; token ids are the simulator's own."""
        chat = b'"messages"' in request.body and b'"prompt"' not in request.body
        body = self._body(request, "messages" if chat else "prompt")
        if chat:
            texts = chat_params(body, self.context.spec.template_tokens, 0).prompt_texts
            spans = [TokenSpan(token_id(text), text, 0, 0) for text in texts]
        else:
            spans = list(token_spans(str(body["prompt"])))
        answer = {
            "count": len(spans),
            "max_model_len": self.context.settings.max_model_len,
            "tokens": [one.id for one in spans],
            "token_strs": [one.text for one in spans] if body.get("return_token_strs") else None,
        }
        return Response(200, compact(answer))

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {
            "/health": lambda: Response(503 if self.context.engine_dead else 200, content_type=None),
            "/ping": lambda: Response(200, content_type=None),
            "/version": lambda: Response(200, compact({"version": self.context.spec.version})),
            "/load": lambda: Response(200, compact({"server_load": 0})),
            "/v1/models": self._models,
            "/metrics": lambda: Response(
                200, metrics_page(self.context), "text/plain; version=1.0.0; charset=utf-8"
            ),
        }

    def _models(self) -> Response:
        context = self.context
        settings = context.settings
        cards = [
            {
                "id": name,
                "object": "model",
                "created": context.started_s,
                "owned_by": "vllm",
                "root": f"/adapters/{name}" if name in settings.loras else settings.model,
                "parent": settings.model if name in settings.loras else None,
                "max_model_len": None if name in settings.loras else settings.max_model_len,
                "permission": [permission(f"modelperm-{context.hex_id(16)}", context.started_s)],
            }
            for name in settings.models
        ]
        return Response(200, compact({"object": "list", "data": cards}))

    def engine_dead_response(self) -> Response:
        """See ServerHandler."""
        return bad(ENGINE_DEAD, "InternalServerError", status=500).response

    # -- reading -------------------------------------------------------------------------------

    def _body(self, request: Request, needed: str) -> Body:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise bad(
                "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
                "Bad Request",
            )
        try:
            body = load(request.body)
        except json.JSONDecodeError as error:
            more = f", 'ctx': {{'error': '{error.msg}'}}"
            raise _schema(
                "json_invalid", f"body.{error.pos}", "JSON decode error", "'<dict of 0 items>'", more
            ) from None
        if not isinstance(body, dict):
            raise _schema(
                "model_attributes_type", "body", "Input should be a valid dictionary", repr(body)[:80]
            )
        if body.get(needed) is None:
            raise missing(body, needed)
        for name, kind in _NUMBER_TYPES.items():
            _check_number(name, body.get(name), kind)
            if isinstance(body.get(name), str):
                body[name] = int(float(body[name])) if kind == "int" else float(body[name])
        self._check(body)
        return body

    def _check(self, body: Body) -> None:
        model = body.get("model")
        if model and model not in self.context.settings.models:
            words = f"The model `{model}` does not exist. Valid aliases: {self.context.settings.model}."
            raise bad(words, "NotFoundError", "model", 404)
        if body.get("stream_options") and not body.get("stream"):
            raise bad(
                "Stream options can only be defined when `stream=True`. (parameter=stream_options)",
                param="stream_options",
            )
        temperature = body.get("temperature")
        if temperature is not None and float(temperature) < 0:
            raise _range("temperature must be non-negative, got", "temperature", float(temperature))
        top_p = body.get("top_p")
        if top_p is not None and not 0 < float(top_p) <= 1:
            raise _range("top_p must be in (0, 1], got", "top_p", float(top_p))
        for name in ("max_completion_tokens", "max_tokens"):
            if body.get(name) is not None and body[name] < 1:
                words = f"max_tokens must be at least 1, got {body[name]}."
                raise bad(f"{words} (parameter=max_tokens, value={body[name]})", param="max_tokens")

    def _chat(self, request: Request) -> GenerationParams:
        body = self._body(request, "messages")
        if not isinstance(body["messages"], list):
            raise _schema(
                "list_type", "body.messages", "Input should be a valid list", repr(body["messages"])[:80]
            )
        if not body["messages"]:
            raise bad("Cannot apply chat template to an empty conversation. Provide at least one message.")
        params = chat_params(body, self.context.spec.template_tokens, 0)
        if params.stream and not self.context.settings.exact:
            params.tool = called_tool(body)
            params.endpoint = "tools" if params.tool else "chat"
        return params

    def _completion(self, request: Request) -> GenerationParams:
        return completion_params(self._body(request, "prompt"), 16)

    def admit(self, params: GenerationParams, request: Request) -> None:
        """Lengths, as vLLM checks them before anything is queued."""
        limit = self.context.settings.max_model_len
        params.model = params.model or self.context.settings.model
        if params.max_tokens > limit:
            raise bad(
                f"max_tokens={params.max_tokens} cannot be greater than max_model_len={limit}. Please request fewer "
                f"output tokens. (parameter=max_tokens, value={params.max_tokens})",
                param="max_tokens",
            )
        if params.prompt_tokens > limit - 1:
            raise bad(
                f"This model's maximum context length is {limit} tokens. However, your prompt contains at least "
                f"{limit + 1} input tokens, which exceeds this limit even without any output tokens. Please reduce "
                f"the length of the input prompt. (parameter=input_tokens, value={limit + 1})",
                param="input_tokens",
            )
        if params.prompt_tokens + params.max_tokens > limit:
            raise bad(
                f"This model's maximum context length is {limit} tokens. However, you requested {params.max_tokens} "
                f"output tokens and your prompt contains at least {limit - params.max_tokens + 1} input tokens, for a "
                f"total of at least {limit + 1} tokens. Please reduce the length of the input prompt or the number of "
                f"requested output tokens. (parameter=input_tokens, value={limit - params.max_tokens + 1})",
                param="input_tokens",
            )
        if not params.max_tokens:
            params.max_tokens = limit - params.prompt_tokens

    def fault_response(self, status: int, retry_after: float) -> Response:
        """As vLLM's own 503; vLLM itself never sends 429, a proxy in front of it does."""
        words = {429: "Too many requests", 503: "Service Unavailable"}[status]
        error = {"error": {"message": words, "type": words, "param": None, "code": status}}
        return Response(status, compact(error), extra=retry_header(retry_after))

    # -- answering -----------------------------------------------------------------------------

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """`chatcmpl-` and the client's X-Request-Id, or 16 digits."""
        prefix = "cmpl-" if params.endpoint == "completion" else "chatcmpl-"
        return prefix + (request.headers.get("x-request-id") or self.context.hex_id(16))

    def fingerprint(self) -> str:
        """`vllm-<version>-<hash>`."""
        return f"vllm-{self.context.spec.version}-0a1b2c3d"

    def constants(self, job: Job) -> dict[str, str]:
        """With `return_token_ids`, the prompt's ids too; of a tool call its id and name."""
        constants = super().constants(job)
        if job.params.tool is not None:
            constants["tool_id"] = f"chatcmpl-tool-{self.context.hex_id(32)}"
            constants["tool_name"] = orjson.dumps(job.params.tool.name).decode()
        if job.params.return_token_ids:
            constants["prompt_ids"] = (
                "["
                + ",".join(str(1 + crc32(text.encode()) % 31999) for text in job.params.prompt_texts)
                + "]"
            )
        return constants

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """The fingerprint is in the last event of the stream: usage, or the one with the finish reason."""
        stop = reply.job.answer.stop if finish == "stop" else None
        mark = "" if reply.job.params.include_usage else f',"system_fingerprint":"{self.fingerprint()}"'
        return {"stop_reason": compact(stop), "fp": mark.encode()}

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """The whole answer; the key order is 0.32's."""
        job, params = reply.job, reply.job.params
        stop = job.answer.stop if finish == "stop" else None
        text = job.answer.text(count)
        ids = [token.token_id for token in job.answer.tokens[:count]] if params.return_token_ids else None
        choice: dict[str, Any] = {"index": 0}
        tail: dict[str, Any] = {
            "logprobs": None,
            "finish_reason": finish,
            "stop_reason": stop,
            "token_ids": ids,
        }
        nothing = {"kv_transfer_params": None, "ec_transfer_params": None, "metrics": None}
        usage = {**self.usage(reply, count), "prompt_tokens_details": None, "completion_tokens_details": None}
        answer: dict[str, Any] = {
            "id": job.reply_id,
            "object": "chat.completion" if params.endpoint == "chat" else "text_completion",
            "created": job.created,
            "model": params.model,
        }
        rest = {"service_tier": None, "system_fingerprint": self.fingerprint(), "usage": usage}
        if params.endpoint == "chat":
            unused = dict.fromkeys(("refusal", "annotations", "audio", "function_call", "reasoning"))
            unused["reasoning"] = job.answer.thoughts(count) or None
            message = {"role": "assistant", "content": text, **unused}
            choice |= {"message": message, **tail, "routed_experts": None}
            rest |= {"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None}
        else:
            choice |= {
                "text": text,
                **tail,
                "prompt_logprobs": None,
                "prompt_token_ids": None,
                "routed_experts": None,
            }
        return Response(200, compact({**answer, "choices": [choice], **rest, **nothing}))

    def failure_response(self, message: str) -> Response:
        """500 in vLLM's form."""
        return bad(message, "InternalServerError", status=500).response


def _range(words: str, name: str, value: float) -> RequestRefused:
    return bad(f"{words} {value}. (parameter={name}, value={value})", param=name)


def _check_number(name: str, value: object, kind: str) -> None:
    if value is None or is_int(value) or (kind == "float" and isinstance(value, float)):
        return
    if isinstance(value, float) and value.is_integer():
        return
    noun = "integer" if kind == "int" else "number"
    if isinstance(value, str):
        try:
            float(value)
            return
        except ValueError:
            words = f"Input should be a valid {noun}, unable to parse string as an? {noun}"
            words = words.replace("an? ", "an " if kind == "int" else "a ")
            raise _schema(f"{kind}_parsing", f"body.{name}", words, f"'{value}'") from None
    raise _schema(f"{kind}_type", f"body.{name}", f"Input should be a valid {noun}", repr(value)[:80])
