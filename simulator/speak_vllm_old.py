"""vLLM 0.1.2 (July 2023): its OpenAI server and its native server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulator.exchange import Request
from simulator.job import Ask
from simulator.reply import Reply
from simulator.speak import Refused, Speaker, Whole, compact, is_whole_number, spaced, stop_strings
from simulator.speak_openai import Body, chat_ask, completion_ask, load
from simulator.speak_vllm import permission
from simulator.words import token_texts

# An exception in a handler: 500, and uvicorn closes the connection without saying so.
CRASH = Whole(500, b"Internal Server Error", "text/plain; charset=utf-8", close_silently=True)
SAMPLING = {
    "n", "best_of", "presence_penalty", "frequency_penalty", "temperature", "top_p", "top_k", "use_beam_search",
    "stop", "ignore_eos", "max_tokens", "logprobs",
}  # fmt: skip


def sampling_error(body: Body) -> str | None:
    """What 0.1.2's SamplingParams object to, in its order; None if nothing."""
    n: int = body.get("n", 1)
    best_of: int = body["best_of"] if body.get("best_of") is not None else n
    temperature, top_p, top_k = body.get("temperature", 1.0), body.get("top_p", 1.0), body.get("top_k", -1)
    max_tokens = body.get("max_tokens", 16)
    checks = (
        (n < 1, f"n must be at least 1, got {n}."),
        (best_of < n, f"best_of must be greater than or equal to n, got n={n} and best_of={best_of}."),
        (not -2 <= body.get("presence_penalty", 0) <= 2,
         f"presence_penalty must be in [-2, 2], got {body.get('presence_penalty')}."),
        (not -2 <= body.get("frequency_penalty", 0) <= 2,
         f"frequency_penalty must be in [-2, 2], got {body.get('frequency_penalty')}."),
        (temperature < 0, f"temperature must be non-negative, got {float(temperature)}."),
        (not 0 < top_p <= 1, f"top_p must be in (0, 1], got {float(top_p)}."),
        (top_k < -1 or top_k == 0, f"top_k must be -1 (disable), or at least 1, got {top_k}."),
        (max_tokens < 1, f"max_tokens must be at least 1, got {max_tokens}."),
        (temperature < 1e-5 and best_of > 1, f"best_of must be 1 when using greedy sampling.Got {best_of}."),
        (temperature < 1e-5 and top_p < 1, "top_p must be 1 when using greedy sampling."),
        (temperature < 1e-5 and top_k != -1, "top_k must be -1 when using greedy sampling."),
    )  # fmt: skip
    return next((words for wrong, words in checks if wrong), None)


class OldVllmSpeaker(Speaker):
    """vLLM 0.1.2's OpenAI server."""

    def generations(self) -> Mapping[str, Callable[[Request], Ask]]:
        """See Speaker."""
        return {"/v1/chat/completions": self._chat, "/v1/completions": self._completion}

    def pages(self) -> Mapping[str, Callable[[], Whole]]:
        """Only the list of models; no /health, /metrics, /version."""
        return {"/v1/models": self._models}

    def _models(self) -> Whole:
        server = self.server
        model, created = server.settings.model, server.started_s
        card = {
            "id": model,
            "object": "model",
            "created": created,
            "owned_by": "vllm",
            "root": model,
            "parent": None,
            "permission": [permission(f"modelperm-{server.hex_id(32)}", created)],
        }
        return Whole(200, compact({"object": "list", "data": [card]}))

    def _error(self, message: str, status: int = 400) -> Refused:
        error = {
            "object": "error",
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
        return Refused(Whole(status, compact(error)))

    def _body(self, request: Request, needed: str, temperature: float) -> Body:
        """Bodies are parsed by hand: whatever does not fit the schema is a crash."""
        try:
            body = load(request.body)
        except json.JSONDecodeError:
            raise Refused(CRASH) from None
        fits = isinstance(body, dict) and isinstance(body.get("model"), str) and body.get(needed) is not None
        if not fits:
            raise Refused(CRASH)
        body = {
            key: value for key, value in body.items() if value is not None and key != "max_completion_tokens"
        }
        if not _numbers_fit(body):
            raise Refused(CRASH)
        if body["model"] != self.server.settings.model:
            raise self._error(f"The model `{body['model']}` does not exist.", 404)
        if body.get("logit_bias"):
            raise self._error("logit_bias is not currently supported")
        for name in ("echo", "suffix") if needed == "prompt" else ():
            if body.get(name):
                raise self._error(f"{name} is not currently supported")
        return {"temperature": temperature, **body}

    def _chat(self, request: Request) -> Ask:
        body = self._body(request, "messages", 0.7)
        if not isinstance(body["messages"], (str, list)):
            raise Refused(CRASH)
        ask = chat_ask(body, self.server.wire.ahead, 16)
        limit = self.server.settings.max_model_len
        if ask.prompt_tokens + ask.max_tokens > limit:
            raise self._error(
                f"This model's maximum context length is {limit} tokens. However, you requested "
                f"{ask.prompt_tokens + ask.max_tokens} tokens ({ask.prompt_tokens} in the messages, "
                f"{ask.max_tokens} in the completion). Please reduce the length of the messages or completion."
            )
        self._check(body)
        return ask

    def _completion(self, request: Request) -> Ask:
        body = self._body(request, "prompt", 1.0)
        prompt = body["prompt"]
        if isinstance(prompt, list):
            if len(prompt) > 1 and isinstance(prompt[0], str):
                raise self._error("multiple prompts in a batch is not currently supported")
            if not prompt:
                raise self._error("please provide at least one prompt")
        self._check(body)
        return completion_ask(body, 16)

    def _check(self, body: Body) -> None:
        error = sampling_error(body)
        if error is not None:
            raise self._error(error)

    def reply_id(self, ask: Ask, request: Request) -> str:
        """`cmpl-` for chats too."""
        return f"cmpl-{self.server.hex_id(32)}"

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """Compact JSON, unlike the stream."""
        job, chat = reply.job, reply.job.ask.endpoint == "chat"
        text = job.answer.text(count)
        choice: dict[str, Any] = {"index": 0}
        choice |= (
            {"message": {"role": "assistant", "content": text}} if chat else {"text": text, "logprobs": None}
        )
        choice["finish_reason"] = finish
        answer = {
            "id": job.reply_id,
            "object": "chat.completion" if chat else "text_completion",
            "created": job.created,
            "model": job.ask.model,
            "choices": [choice],
            "usage": self.usage(reply, count),
        }
        return Whole(200, compact(answer))


class NativeSpeaker(Speaker):
    """vLLM 0.1.2's demo server: POST /generate and nothing else."""

    def generations(self) -> Mapping[str, Callable[[Request], Ask]]:
        """See Speaker."""
        return {"/generate": self._generate}

    def _generate(self, request: Request) -> Ask:
        try:
            body = load(request.body)
        except json.JSONDecodeError:
            raise Refused(CRASH) from None
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
            raise Refused(CRASH)
        sampling = {key: value for key, value in body.items() if key not in ("prompt", "stream")}
        for key in ("best_of", "logprobs"):  # these two may be null
            if sampling.get(key) is None:
                sampling.pop(key, None)
        if set(sampling) - SAMPLING or not _numbers_fit(sampling) or sampling_error(sampling) is not None:
            raise Refused(CRASH)
        texts = token_texts(body["prompt"])
        return Ask(
            endpoint="generate",
            prompt=body["prompt"],
            model=self.server.settings.model,
            stream=bool(body.get("stream")),
            max_tokens=sampling.get("max_tokens", 16),
            ignore_eos=bool(sampling.get("ignore_eos")),
            stops=stop_strings(sampling.get("stop")),
            prompt_texts=texts,
            prompt_tokens=max(1, len(texts)),
        )

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """The prompt and the answer in one string, ASCII, without a content type."""
        text = reply.job.ask.prompt + reply.job.answer.text(count)
        return Whole(200, spaced({"text": [text]}), content_type=None)


def _numbers_fit(body: Body) -> bool:
    whole = ("n", "best_of", "top_k", "max_tokens", "logprobs")
    real = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
    return all(is_whole_number(body[name]) for name in whole if name in body) and all(
        is_whole_number(body[name]) or isinstance(body[name], float) for name in real if name in body
    )
