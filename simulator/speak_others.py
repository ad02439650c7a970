"""SGLang, lmdeploy, TabbyAPI, transformers serve and FastChat: one base, and where each differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulator.exchange import Request
from simulator.job import Ask
from simulator.reply import Reply
from simulator.speak import Refused, Speaker, Whole, compact, is_whole_number, retry_header
from simulator.speak_llama import timings_of
from simulator.speak_openai import Body, chat_ask, completion_ask, load

TRANSFORMERS_FIELDS = {
    "messages", "model", "stream", "max_tokens", "temperature", "top_p", "seed", "stop", "frequency_penalty",
    "logit_bias", "tools", "tool_choice", "response_format", "stream_options", "n", "user", "logprobs",
    "top_logprobs", "presence_penalty", "generation_config", "max_completion_tokens", "store", "metadata",
}  # fmt: skip


class OpenAiSpeaker(Speaker):
    """Chat (and text, where the wire has it) on a FastAPI server."""

    error_status: int | None = None

    def generations(self) -> Mapping[str, Callable[[Request], Ask]]:
        """See Speaker."""
        routes: dict[str, Callable[[Request], Ask]] = {"/v1/chat/completions": self._chat}
        if "completion" in self.server.wire.streams:
            routes["/v1/completions"] = self._completion
        return routes

    def pages(self) -> Mapping[str, Callable[[], Whole]]:
        """See Speaker."""
        return {"/health": self._health, "/v1/models": self._models}

    def _health(self) -> Whole:
        return Whole(200, content_type=None)

    def _models(self) -> Whole:
        server = self.server
        card = {
            "id": server.settings.model,
            "object": "model",
            "created": server.started_s,
            "owned_by": server.wire.name,
        }
        return Whole(200, compact({"object": "list", "data": [card]}))

    def bad(self, message: str, status: int = 400) -> Refused:
        """An error in this server's form."""
        return Refused(Whole(status, compact({"detail": message})))

    def _body(self, request: Request, needed: str) -> Body:
        try:
            body = load(request.body)
        except json.JSONDecodeError as error:
            raise self.bad(f"JSON decode error at {error.pos}: {error.msg}", 422) from None
        if not isinstance(body, dict) or body.get(needed) is None:
            raise self.bad(f"{needed}: field required", 422)
        for name in ("max_tokens", "max_completion_tokens"):
            if body.get(name) is not None and not is_whole_number(body[name]):
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

    def _chat(self, request: Request) -> Ask:
        body = self._body(request, "messages")
        if not isinstance(body["messages"], list | str):
            raise self.bad("messages: value is not a valid list", 422)
        return chat_ask(body, self.server.wire.ahead, 0)

    def _completion(self, request: Request) -> Ask:
        return completion_ask(self._body(request, "prompt"), 16)

    def admit(self, ask: Ask, request: Request) -> None:
        """Prompt and answer must fit the context."""
        context = self.server.settings.max_model_len
        ask.model = ask.model or self.server.settings.model
        ask.continuous_usage = False
        if ask.prompt_tokens >= context or ask.prompt_tokens + ask.max_tokens > context:
            raise self.too_long(ask, context)
        ask.max_tokens = ask.max_tokens or context - ask.prompt_tokens

    def too_long(self, ask: Ask, context: int) -> Refused:
        """The request does not fit."""
        asked = ask.prompt_tokens + ask.max_tokens
        return self.bad(
            f"This model's maximum context length is {context} tokens, but {asked} tokens were requested."
        )

    def struck(self, status: int, retry_after: float) -> Whole:
        """A fault in this server's error form."""
        whole = self.bad({429: "Too many requests", 503: "Service unavailable"}[status], status).whole
        return Whole(whole.status, whole.body, whole.content_type, retry_header(retry_after))

    def failed(self, message: str) -> Whole:
        """500."""
        return self.bad(message, 500).whole

    def reply_id(self, ask: Ask, request: Request) -> str:
        """`chatcmpl-` and 32 digits."""
        return ("chatcmpl-" if ask.endpoint == "chat" else "cmpl-") + self.server.hex_id(32)

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """The plain OpenAI form."""
        job, chat = reply.job, reply.job.ask.endpoint == "chat"
        text = job.answer.text(count)
        choice: dict[str, Any] = {"index": 0}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice |= {"logprobs": None, "finish_reason": finish}
        answer = {
            "id": job.reply_id,
            "object": "chat.completion" if chat else "text_completion",
            "created": job.created,
            "model": job.ask.model,
            "choices": [choice],
            "usage": self.usage(reply, count),
        }
        return Whole(200, compact(answer))


class SglangSpeaker(OpenAiSpeaker):
    """SGLang: errors are objects with `object: error`."""

    def bad(self, message: str, status: int = 400) -> Refused:
        """See OpenAiSpeaker."""
        kind = {400: "BadRequestError", 422: "BadRequest"}.get(status, "InternalServerError")
        status = 400 if status == 422 else status
        error = {"object": "error", "message": message, "type": kind, "param": None, "code": status}
        return Refused(Whole(status, compact(error)))

    def reply_id(self, ask: Ask, request: Request) -> str:
        """32 digits, no prefix."""
        return self.server.hex_id(32)

    def finals(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """What it stopped at: the id of EOS, a string, or nothing."""
        matched: object = None
        if finish == "stop":
            matched = reply.job.answer.stop or 2
        return {"matched": compact(matched)}


class LmdeploySpeaker(OpenAiSpeaker):
    """lmdeploy: a flat error object."""

    def bad(self, message: str, status: int = 400) -> Refused:
        """See OpenAiSpeaker."""
        kind = "invalid_request_error" if status < 500 else "internal_server_error"
        error = {"message": message, "type": kind, "code": status, "param": None, "object": "error"}
        return Refused(Whole(status, compact(error)))

    def _health(self) -> Whole:
        return Whole(200, b'{"status":"healthy"}')


class TabbySpeaker(OpenAiSpeaker):
    """TabbyAPI: times in its usage, a code for too long prompts."""

    def bad(self, message: str, status: int = 400) -> Refused:
        """See OpenAiSpeaker."""
        return Refused(Whole(status, compact({"detail": message})))

    def too_long(self, ask: Ask, context: int) -> Refused:
        """400 with OpenAI's code."""
        words = f"Prompt length {ask.prompt_tokens} is greater than max_seq_len {context}"
        error = {
            "message": words,
            "type": "invalid_request_error",
            "param": None,
            "code": "context_length_exceeded",
        }
        return Refused(Whole(400, compact({"error": error})))

    def _health(self) -> Whole:
        return Whole(200, b'{"status":"healthy","issues":[]}')

    def finals(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """Its own word for the end, and times in seconds."""
        timings = timings_of(reply, count)
        prompt_s, answer_s = timings["prompt_ms"] / 1e3, timings["predicted_ms"] / 1e3
        reason = (
            "max_new_tokens"
            if finish == "length"
            else "stop_string"
            if reply.job.answer.stop
            else "stop_token"
        )
        values = {
            "prompt_time": prompt_s,
            "prompt_speed": timings["prompt_per_second"],
            "answer_time": answer_s,
            "answer_speed": timings["predicted_per_second"],
            "total_time": prompt_s + answer_s,
        }
        return {"eos_reason": reason.encode(), **{name: b"%.2f" % value for name, value in values.items()}}

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """`eos_reason` in the choice; text completions call the model `model_name`."""
        plain = json.loads(super().whole(reply, finish, count).body)
        plain["choices"][0]["eos_reason"] = self.finals(reply, finish, count)["eos_reason"].decode()
        if reply.job.ask.endpoint == "completion":
            plain["model_name"] = plain.pop("model")
        return Whole(200, compact(plain))


class TransformersSpeaker(OpenAiSpeaker):
    """transformers serve: refuses fields it does not know."""

    def check(self, body: Body) -> None:
        """422 for unknown fields."""
        unknown = set(body) - TRANSFORMERS_FIELDS
        if unknown:
            raise self.bad(f"Unexpected fields in the request: {unknown}", 422)

    def _health(self) -> Whole:
        return Whole(200, b'{"status":"ok"}')

    def reply_id(self, ask: Ask, request: Request) -> str:
        """The request's id, also in a header."""
        return request.headers.get("x-request-id") or f"req_{self.server.hex_id(12)}"


class FastchatSpeaker(OpenAiSpeaker):
    """FastChat: every error is HTTP 400 with a five-digit code."""

    def bad(self, message: str, status: int = 400) -> Refused:
        """See OpenAiSpeaker."""
        code = {429: 42901, 500: 50001, 503: 50001, 422: 40001}.get(status, 40001)
        return Refused(Whole(400, compact({"object": "error", "message": message, "code": code})))

    def check(self, body: Body) -> None:
        """The model must be there."""
        model = body.get("model")
        if model != self.server.settings.model:
            raise self.bad(f"Only {self.server.settings.model} allowed now, your model {model}")

    def too_long(self, ask: Ask, context: int) -> Refused:
        """40303."""
        words = f"This model's maximum context length is {context} tokens."
        return Refused(Whole(400, compact({"object": "error", "message": words, "code": 40303})))
