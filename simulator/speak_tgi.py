"""Text Generation Inference 0.9.3 and 3.3: its native routes, its OpenAI routes, its errors inside HTTP 200."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulator.http import Request
from simulator.job import Ask
from simulator.metrics_tgi import metrics_page
from simulator.reply import Reply
from simulator.speak import Refused, Speaker, Whole, compact, retry_header, stop_strings
from simulator.speak_openai import Body, chat_ask, completion_ask, load
from simulator.truth import now_ns
from simulator.words import EOS_ID, token_texts

TYPES = {"validation": 422, "generation": 424, "overloaded": 429, "incomplete_generation": 500}
PLAIN = "text/plain; charset=utf-8"


class TgiSpeaker(Speaker):
    """TGI's router."""

    detail_404 = b""
    detail_405 = b""

    @property
    def _is_3(self) -> bool:
        return self.server.wire.version.startswith("3")

    def generations(self) -> Mapping[str, Callable[[Request], Ask]]:
        """See Speaker."""
        routes: dict[str, Callable[[Request], Ask]] = {
            "/generate_stream": lambda request: self._native(request, True),
            "/generate": lambda request: self._native(request, False),
            "/": lambda request: self._native(request, None),
            "/invocations": lambda request: self._native(request, None),
        }
        if self._is_3:
            routes |= {"/v1/chat/completions": self._chat, "/v1/completions": self._completion}
        return routes

    def pages(self) -> Mapping[str, Callable[[], Whole]]:
        """See Speaker."""
        health = lambda: Whole(200, content_type=None)  # noqa: E731
        pages: dict[str, Callable[[], Whole]] = {
            "/": health,
            "/health": health,
            "/ping": health,
            "/info": lambda: Whole(200, compact(self._info())),
            "/metrics": lambda: Whole(200, metrics_page(self.server), PLAIN),
        }
        if self._is_3:
            pages["/v1/models"] = lambda: Whole(200, compact(self._models()))
        return pages

    def _models(self) -> dict[str, Any]:
        card = {
            "id": self.server.settings.model,
            "object": "model",
            "created": 0,
            "owned_by": self.server.settings.model,
        }
        return {"object": "list", "data": [card]}

    def _info(self) -> dict[str, Any]:
        knobs, settings = self.server.settings.gauges, self.server.settings
        shared = {
            "max_concurrent_requests": settings.max_concurrent_requests,
            "max_best_of": 2,
            "max_stop_sequences": 4,
        }
        if self._is_3:
            return {
                "model_id": settings.model,
                "model_sha": None,
                "model_pipeline_tag": "text-generation",
                **shared,
                "max_input_tokens": knobs.get("max_input_length"),
                "max_total_tokens": knobs.get("max_total_tokens"),
                "validation_workers": 2,
                "max_client_batch_size": 4,
                "router": "text-generation-router",
                "version": self.server.wire.version,
                "sha": None,
                "docker_label": None,
            }
        return {
            "model_id": settings.model,
            "model_sha": None,
            "model_dtype": "torch.float16",
            "model_device_type": "cuda",
            "model_pipeline_tag": "text-generation",
            **shared,
            "max_input_length": knobs.get("max_input_length"),
            "max_total_tokens": knobs.get("max_total_tokens"),
            "waiting_served_ratio": knobs.get("waiting_served_ratio"),
            "max_batch_total_tokens": knobs.get("max_batch_total_tokens"),
            "max_waiting_tokens": knobs.get("max_waiting_tokens"),
            "validation_workers": 2,
            "version": self.server.wire.version,
            "sha": None,
            "docker_label": None,
        }

    # -- errors --------------------------------------------------------------------------------

    def missing(self, method: str, path: str, allowed: str | None) -> Whole:
        """axum: empty bodies."""
        if allowed is not None:
            return Whole(405, content_type=None, extra=(f"allow: {allowed}",))
        return Whole(404, content_type=None)

    def too_large(self) -> Whole:
        """Over 2 MiB."""
        return Whole(413, b"Failed to buffer the request body: length limit exceeded", PLAIN)

    def _refused(self, stream: bool, message: str, kind: str, endpoint: str = "generate") -> Refused:
        """On a stream, every error is an event inside HTTP 200."""
        self.server.stats.failed[kind] += 1
        wire = self.server.wire.streams[endpoint]
        words = json.dumps(message, ensure_ascii=False)
        if not stream:
            native = {"error": message, "error_type": kind}
            return Refused(Whole(TYPES[kind], compact(native)))
        event = wire.error.replace("<message>", words).replace("<error_type>", kind)
        events = [event] if wire.done_when == "never" else [event, "[DONE]"]
        chunks = tuple(f"{wire.prefix}{each}{wire.end}".encode() for each in events)
        extra = ("x-compute-type: gpu+optimized", "x-compute-characters: 0")
        marks = ((0, "error"), (0, "done"))[: len(events)]
        return Refused(Whole(200, b"", wire.content_type, extra, chunks=chunks, marks=marks))

    def failed(self, message: str) -> Whole:
        """424."""
        error = {
            "error": f"Request failed during generation: Server error: {message}",
            "error_type": "generation",
        }
        return Whole(424, compact(error))

    def struck(self, status: int, retry_after: float) -> Whole:
        """429 as its non-streaming routes say it; 503 as its health check does."""
        kind = {429: ("Model is overloaded", "overloaded"), 503: ("unhealthy", "healthcheck")}[status]
        return Whole(
            status, compact({"error": kind[0], "error_type": kind[1]}), extra=retry_header(retry_after)
        )

    def constants(self, job: Any) -> dict[str, str]:
        """The kind of a generation error too."""
        return {**super().constants(job), "error_type": "generation"}

    # -- reading -------------------------------------------------------------------------------

    def _body(self, request: Request, needed: str) -> Body:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise Refused(Whole(415, b"Expected request with `Content-Type: application/json`", PLAIN))
        try:
            body = load(request.body)
        except json.JSONDecodeError as error:
            words = f"Failed to parse the request body as JSON: {error.msg} at line {error.lineno} column {error.colno}"
            raise Refused(Whole(400, words.encode(), PLAIN)) from None
        if not isinstance(body, dict) or body.get(needed) is None:
            raise _shape(f"missing field `{needed}`", request.body)
        return body

    def _native(self, request: Request, stream: bool | None) -> Ask:
        body = self._body(request, "inputs")
        parameters = body.get("parameters") or {}
        if not isinstance(body["inputs"], str):
            raise _shape("inputs: invalid type, expected a string", request.body)
        if not isinstance(parameters, dict) or not _fits(parameters):
            raise _shape("parameters: invalid type", request.body)
        streams = bool(body.get("stream")) if stream is None else stream
        self._overload(streams, "generate")
        wanted = parameters.get("max_new_tokens")
        if wanted is None:
            wanted = 20 if not self._is_3 else 100
        sampled = any(
            parameters.get(name) is not None for name in ("temperature", "top_k", "top_p", "typical_p")
        )
        texts = token_texts(body["inputs"])
        ask = Ask(
            endpoint="generate",
            prompt=body["inputs"],
            model=self.server.settings.model,
            stream=streams,
            max_tokens=wanted,
            stops=stop_strings(parameters.get("stop")),
            details=bool(parameters.get("details")),
            return_full_text=bool(parameters.get("return_full_text")),
            echo_seed=self._seed(parameters, sampled),
            prompt_texts=texts,
            prompt_tokens=len(texts) + 1,
        )
        truncate = parameters.get("truncate")
        if truncate:
            ask.prompt_tokens = min(ask.prompt_tokens, truncate)
            ask.prompt_texts = texts[-ask.prompt_tokens :]
        self._validate(body["inputs"], parameters, ask)
        return ask

    def _seed(self, parameters: Body, sampled: bool) -> int | None:
        if parameters.get("seed") is not None:
            return int(parameters["seed"])
        return int(self.server.hex_id(16), 16) if sampled or parameters.get("do_sample") else None

    def _validate(self, inputs: str, p: Body, ask: Ask) -> None:
        """In the router's order (reference/protocols.md 5.3)."""
        knobs = self.server.settings.gauges
        longest, total = int(str(knobs["max_input_length"])), int(str(knobs["max_total_tokens"]))
        best_of = p.get("best_of") or 1
        sampling = p.get("do_sample") or ask.echo_seed is not None and p.get("seed") is None
        temperature, top_p, typical_p = p.get("temperature"), p.get("top_p"), p.get("typical_p")
        checks = (
            (ask.stream and best_of != 1, "`best_of` != 1 is not supported when streaming tokens"),
            (ask.stream and p.get("decoder_input_details"), "`decoder_input_details` is not supported when streaming tokens"),
            (best_of > 1 and not sampling, "you must use sampling when `best_of` is > 1"),
            (best_of > 2 or best_of < 0, f"`best_of` must be > 0 and <= 2. Given: {best_of}"),
            (temperature is not None and temperature <= 0, "`temperature` must be strictly positive"),
            ((p.get("repetition_penalty") or 1) <= 0, "`repetition_penalty` must be strictly positive"),
            (top_p is not None and not 0 < top_p < 1, "`top_p` must be > 0.0 and < 1.0"),
            (typical_p is not None and not 0 < typical_p < 1, "`typical_p` must be > 0.0 and < 1.0"),
            (p.get("top_k") is not None and p["top_k"] <= 0, "`top_k` must be strictly positive"),
            (ask.max_tokens <= 0, "`max_new_tokens` must be strictly positive"),
            (len(p.get("stop") or []) > 4, f"`stop` supports up to 4 stop sequences. Given: {len(p.get('stop') or [])}"),
            (not inputs, "`inputs` cannot be empty"),
            (p.get("truncate") is not None and not 0 < p["truncate"] <= longest,
             f"`truncate` must be strictly positive and less than {longest}. Given: {p.get('truncate')}"),
        )  # fmt: skip
        for wrong, words in checks:
            if wrong:
                raise self._refused(ask.stream, f"Input validation error: {words}", "validation")
        self._check_length(ask, longest, total)

    def _check_length(self, ask: Ask, longest: int, total: int) -> None:
        n = ask.prompt_tokens
        words = None
        if n + ask.max_tokens > total:
            words = (
                f"`inputs` tokens + `max_new_tokens` must be <= {total}. "
                f"Given: {n} `inputs` tokens and {ask.max_tokens} `max_new_tokens`"
            )
        elif n > longest:
            words = f"`inputs` must have less than {longest} tokens. Given: {n}"
        if words is not None:
            raise self._refused(ask.stream, f"Input validation error: {words}", "validation", ask.endpoint)

    def _overload(self, stream: bool, endpoint: str) -> None:
        """The semaphore is taken before validation; none free: overloaded, at once."""
        if self.server.open_requests >= self.server.settings.max_concurrent_requests:
            raise self._refused(stream, "Model is overloaded", "overloaded", endpoint)

    def _chat(self, request: Request) -> Ask:
        body = self._body(request, "messages")
        return self._openai(chat_ask(body, self.server.wire.ahead, 0), body)

    def _completion(self, request: Request) -> Ask:
        body = self._body(request, "prompt")
        return self._openai(completion_ask(body, 100), body)

    def _openai(self, ask: Ask, body: Body) -> Ask:
        self._overload(ask.stream, ask.endpoint)
        ask.ignore_eos = False
        ask.continuous_usage = False
        ask.model = ask.model or self.server.settings.model
        knobs = self.server.settings.gauges
        longest, total = int(str(knobs["max_input_length"])), int(str(knobs["max_total_tokens"]))
        if not ask.max_tokens:
            ask.max_tokens = max(1, total - ask.prompt_tokens)
        if body.get("temperature") is not None and float(body["temperature"]) < 0:
            words = "Input validation error: `temperature` must be strictly positive"
            raise self._refused(ask.stream, words, "validation", ask.endpoint)
        self._check_length(ask, longest, total)
        return ask

    # -- answering -----------------------------------------------------------------------------

    def reply_id(self, ask: Ask, request: Request) -> str:
        """TGI gives its replies no id; this one is only for the truth log."""
        return ""

    def fingerprint(self) -> str:
        """`<version>-native`."""
        return f"{self.server.wire.version}-native"

    def finals(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """The whole text and the details of the last native event."""
        ask = reply.job.ask
        details: dict[str, Any] | None = None
        if ask.details:
            details = self._details(reply, finish, count)
        return {"generated": compact(self._text(reply, count)), "details": compact(details)}

    def _text(self, reply: Reply, count: int) -> str:
        """Special tokens removed, stop sequence kept, prompt before it if asked."""
        answer, ask = reply.job.answer, reply.job.ask
        text = "".join(token.text for token in answer.shown[:count] if token.token_id != EOS_ID)
        return ask.prompt + text if ask.return_full_text else text

    def _details(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        wire = self.server.wire.streams["generate"]
        stopped = reply.job.answer.stop is not None and finish == "stop"
        words = (wire.finish_words or {}).get("stop_string" if stopped else finish, finish)
        said = max(0, count + reply.job.usage_error)
        details: dict[str, Any] = {
            "finish_reason": words,
            "generated_tokens": said,
            "seed": reply.job.ask.echo_seed,
        }
        if self._is_3:
            details["input_length"] = reply.job.ask.prompt_tokens
        return details

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """`/generate` and the OpenAI routes; times in the headers."""
        ask = reply.job.ask
        extra = self._times(reply, count)
        if ask.endpoint != "generate":
            return Whole(200, compact(self._openai_whole(reply, finish, count)), extra=extra)
        answer: dict[str, Any] = {"generated_text": self._text(reply, count)}
        if ask.details:
            tokens = [
                {"id": t.token_id, "text": t.text, "logprob": t.logprob, "special": t.token_id == EOS_ID}
                for t in reply.job.answer.tokens[:count]
            ]
            details = self._details(reply, finish, count)
            length = {"input_length": details.pop("input_length")} if self._is_3 else {}
            answer["details"] = {**details, **length, "prefill": [], "tokens": tokens}
        compat = reply.truth.path in ("/", "/invocations")
        return Whole(200, compact([answer] if compat else answer), extra=extra)

    def _openai_whole(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        job, chat = reply.job, reply.job.ask.endpoint == "chat"
        stopped = job.answer.stop is not None and finish == "stop"
        choice: dict[str, Any] = {"index": 0}
        text = self._text(reply, count)
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice |= {"logprobs": None, "finish_reason": "stop_sequence" if stopped else finish}
        counts = self.usage(reply, count)
        usage = {key: counts[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
        return {
            "object": "chat.completion" if chat else "text_completion",
            "id": "",
            "created": job.created,
            "model": job.ask.model,
            "system_fingerprint": self.fingerprint(),
            "choices": [choice],
            "usage": usage,
        }

    def _times(self, reply: Reply, count: int) -> tuple[str, ...]:
        truth, ask = reply.truth, reply.job.ask
        now = now_ns()
        queued = truth.queued_ns or truth.received_ns
        admitted = truth.admitted_ns or queued
        total, waited, worked = now - truth.received_ns, admitted - queued, now - admitted
        compute = f"{total / 1e9:.9g}" if self._is_3 else str(total // 1_000_000)
        lines = [
            "x-compute-type: gpu+optimized",
            f"x-compute-time: {compute}",
            f"x-compute-characters: {len(ask.prompt)}",
            f"x-total-time: {total // 1_000_000}",
            f"x-validation-time: {(queued - truth.received_ns) // 1_000_000}",
            f"x-queue-time: {waited // 1_000_000}",
            f"x-inference-time: {worked // 1_000_000}",
            f"x-time-per-token: {worked // max(1, count) // 1_000_000}",
        ]
        if self._is_3:
            lines += [f"x-prompt-tokens: {ask.prompt_tokens}", f"x-generated-tokens: {count}"]
        return tuple(lines)


def _shape(words: str, body: bytes) -> Refused:
    text = f"Failed to deserialize the JSON body into the target type: {words} at line 1 column {max(1, len(body))}"
    return Refused(Whole(422, text.encode(), PLAIN))


def _fits(parameters: Body) -> bool:
    """Whether the numbers are numbers."""
    whole = ("max_new_tokens", "best_of", "top_k", "truncate", "seed")
    real = ("temperature", "top_p", "typical_p", "repetition_penalty")
    values = [(parameters.get(name), int) for name in whole] + [
        (parameters.get(name), (int, float)) for name in real
    ]
    fit = all(
        value is None or (isinstance(value, kind) and not isinstance(value, bool)) for value, kind in values
    )
    return fit and (parameters.get("stop") is None or isinstance(parameters["stop"], list))
