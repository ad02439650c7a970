"""vLLM with the V1 engine (0.32, 0.33): routes, errors, answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from simulator.exchange import Request
from simulator.job import Ask, Job
from simulator.metrics_vllm import metrics_page
from simulator.reply import Reply
from simulator.speak import Refused, Speaker, Whole, compact, is_whole_number, retry_header
from simulator.speak_openai import Body, chat_ask, completion_ask, load

_NUMBER_TYPES = {
    "max_tokens": "int", "max_completion_tokens": "int", "min_tokens": "int", "n": "int", "seed": "int",
    "temperature": "float", "top_p": "float",
}  # fmt: skip


def bad(message: str, kind: str = "BadRequestError", param: str | None = None, status: int = 400) -> Refused:
    """vLLM's error body."""
    error = {"error": {"message": message, "type": kind, "param": param, "code": status}}
    return Refused(Whole(status, compact(error)))


def _schema(kind: str, where: str, words: str, given: str, more: str = "") -> Refused:
    message = f"1 validation error:\n  {{'type': '{kind}', 'loc': '{where}', 'msg': '{words}', 'input': {given}{more}}}"
    return bad(message, "Bad Request", where)


class VllmSpeaker(Speaker):
    """vLLM's API server."""

    def generations(self) -> Mapping[str, Callable[[Request], Ask]]:
        """See Speaker."""
        return {"/v1/chat/completions": self._chat, "/v1/completions": self._completion}

    def pages(self) -> Mapping[str, Callable[[], Whole]]:
        """See Speaker."""
        return {
            "/health": lambda: Whole(200, content_type=None),
            "/ping": lambda: Whole(200, content_type=None),
            "/version": lambda: Whole(200, compact({"version": self.server.wire.version})),
            "/load": lambda: Whole(200, compact({"server_load": 0})),
            "/v1/models": self._models,
            "/metrics": lambda: Whole(
                200, metrics_page(self.server), "text/plain; version=1.0.0; charset=utf-8"
            ),
        }

    def _models(self) -> Whole:
        server = self.server
        model = server.settings.model
        card = {
            "id": model,
            "object": "model",
            "created": server.started_s,
            "owned_by": "vllm",
            "root": model,
            "parent": None,
            "max_model_len": server.settings.max_model_len,
            "permission": [permission(f"modelperm-{server.hex_id(16)}", server.started_s)],
        }
        return Whole(200, compact({"object": "list", "data": [card]}))

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
            raise _schema("missing", f"body.{needed}", "Field required", f"'<dict of {len(body)} items>'")
        for name, kind in _NUMBER_TYPES.items():
            _check_number(name, body.get(name), kind)
            if isinstance(body.get(name), str):
                body[name] = int(float(body[name])) if kind == "int" else float(body[name])
        self._check(body)
        return body

    def _check(self, body: Body) -> None:
        model = body.get("model")
        if model and model != self.server.settings.model:
            raise bad(
                f"The model `{model}` does not exist. Valid aliases: {self.server.settings.model}.",
                "NotFoundError", "model", 404,
            )  # fmt: skip
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

    def _chat(self, request: Request) -> Ask:
        body = self._body(request, "messages")
        if not isinstance(body["messages"], list):
            raise _schema(
                "list_type", "body.messages", "Input should be a valid list", repr(body["messages"])[:80]
            )
        if not body["messages"]:
            raise bad("Cannot apply chat template to an empty conversation. Provide at least one message.")
        return chat_ask(body, self.server.wire.ahead, 0)

    def _completion(self, request: Request) -> Ask:
        return completion_ask(self._body(request, "prompt"), 16)

    def admit(self, ask: Ask, request: Request) -> None:
        """Lengths, as vLLM checks them before anything is queued."""
        limit = self.server.settings.max_model_len
        ask.model = ask.model or self.server.settings.model
        if ask.max_tokens > limit:
            raise bad(
                f"max_tokens={ask.max_tokens} cannot be greater than max_model_len={limit}. Please request fewer "
                f"output tokens. (parameter=max_tokens, value={ask.max_tokens})",
                param="max_tokens",
            )
        if ask.prompt_tokens > limit - 1:
            raise bad(
                f"This model's maximum context length is {limit} tokens. However, your prompt contains at least "
                f"{limit + 1} input tokens, which exceeds this limit even without any output tokens. Please reduce "
                f"the length of the input prompt. (parameter=input_tokens, value={limit + 1})",
                param="input_tokens",
            )
        if ask.prompt_tokens + ask.max_tokens > limit:
            raise bad(
                f"This model's maximum context length is {limit} tokens. However, you requested {ask.max_tokens} "
                f"output tokens and your prompt contains at least {limit - ask.max_tokens + 1} input tokens, for a "
                f"total of at least {limit + 1} tokens. Please reduce the length of the input prompt or the number of "
                f"requested output tokens. (parameter=input_tokens, value={limit - ask.max_tokens + 1})",
                param="input_tokens",
            )
        if not ask.max_tokens:
            ask.max_tokens = limit - ask.prompt_tokens

    def struck(self, status: int, retry_after: float) -> Whole:
        """A refusal as vLLM words its own 503; vLLM itself never says 429, a proxy before it does."""
        words = {429: "Too many requests", 503: "Service Unavailable"}[status]
        error = {"error": {"message": words, "type": words, "param": None, "code": status}}
        return Whole(status, compact(error), extra=retry_header(retry_after))

    # -- answering -----------------------------------------------------------------------------

    def reply_id(self, ask: Ask, request: Request) -> str:
        """`chatcmpl-` and the client's X-Request-Id, or 16 digits."""
        prefix = "chatcmpl-" if ask.endpoint == "chat" else "cmpl-"
        return prefix + (request.headers.get("x-request-id") or self.server.hex_id(16))

    def fingerprint(self) -> str:
        """`vllm-<version>-<hash>`."""
        return f"vllm-{self.server.wire.version}-0a1b2c3d"

    def constants(self, job: Job) -> dict[str, str]:
        """With `return_token_ids`, the prompt's ids too."""
        constants = super().constants(job)
        if job.ask.return_token_ids:
            constants["prompt_ids"] = (
                "[" + ",".join(str(1 + crc32(text.encode()) % 31999) for text in job.ask.prompt_texts) + "]"
            )
        return constants

    def finals(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """The fingerprint rides on the last event of the stream, whichever that is."""
        stop = reply.job.answer.stop if finish == "stop" else None
        mark = "" if reply.job.ask.include_usage else f',"system_fingerprint":"{self.fingerprint()}"'
        return {"stop_reason": compact(stop), "fp": mark.encode()}

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """The whole answer; the key order is 0.32's."""
        job, ask = reply.job, reply.job.ask
        stop = job.answer.stop if finish == "stop" else None
        text = job.answer.text(count)
        ids = [token.token_id for token in job.answer.tokens[:count]] if ask.return_token_ids else None
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
            "object": "chat.completion" if ask.endpoint == "chat" else "text_completion",
            "created": job.created,
            "model": ask.model,
        }
        rest = {"service_tier": None, "system_fingerprint": self.fingerprint(), "usage": usage}
        if ask.endpoint == "chat":
            message = {"role": "assistant", "content": text, "refusal": None, "annotations": None, "audio": None,
                       "function_call": None, "reasoning": None}  # fmt: skip
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
        return Whole(200, compact({**answer, "choices": [choice], **rest, **nothing}))

    def failed(self, message: str) -> Whole:
        """500 in vLLM's form."""
        return bad(message, "InternalServerError", status=500).whole


def _range(words: str, name: str, value: float) -> Refused:
    return bad(f"{words} {value}. (parameter={name}, value={value})", param=name)


def _check_number(name: str, value: object, kind: str) -> None:
    if value is None or is_whole_number(value) or (kind == "float" and isinstance(value, float)):
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


def permission(name: str, created: int) -> dict[str, Any]:
    """The permission card that vLLM puts on each model."""
    return {
        "id": name,
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
