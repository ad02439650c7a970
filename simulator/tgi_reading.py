"""What TGI's router reads and refuses, in its own order (reference/protocols.md 5.2, 5.3)."""

from __future__ import annotations

import json

from simulator.exchange import Request
from simulator.job import Ask
from simulator.speak import Refused, Speaker, Whole, compact, stop_strings
from simulator.speak_openai import Body, chat_ask, completion_ask, load
from simulator.words import token_texts

TYPES = {"validation": 422, "generation": 424, "overloaded": 429, "incomplete_generation": 500}
PLAIN = "text/plain; charset=utf-8"


class TgiReader(Speaker):
    """The half of TGI's speaker that deals with requests."""

    @property
    def _is_3(self) -> bool:
        return self.server.wire.version.startswith("3")

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
        sampling = p.get("do_sample") or (ask.echo_seed is not None and p.get("seed") is None)
        temperature, top_p, typical_p = p.get("temperature"), p.get("top_p"), p.get("typical_p")
        stops = len(p.get("stop") or [])
        checks = (
            (ask.stream and best_of != 1, "`best_of` != 1 is not supported when streaming tokens"),
            (ask.stream and p.get("decoder_input_details"),
             "`decoder_input_details` is not supported when streaming tokens"),
            (best_of > 1 and not sampling, "you must use sampling when `best_of` is > 1"),
            (best_of > 2 or best_of < 0, f"`best_of` must be > 0 and <= 2. Given: {best_of}"),
            (temperature is not None and temperature <= 0, "`temperature` must be strictly positive"),
            ((p.get("repetition_penalty") or 1) <= 0, "`repetition_penalty` must be strictly positive"),
            (top_p is not None and not 0 < top_p < 1, "`top_p` must be > 0.0 and < 1.0"),
            (typical_p is not None and not 0 < typical_p < 1, "`typical_p` must be > 0.0 and < 1.0"),
            (p.get("top_k") is not None and p["top_k"] <= 0, "`top_k` must be strictly positive"),
            (ask.max_tokens <= 0, "`max_new_tokens` must be strictly positive"),
            (stops > 4, f"`stop` supports up to 4 stop sequences. Given: {stops}"),
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
        if not isinstance(body["messages"], list):
            raise _shape("messages: invalid type, expected a sequence", request.body)
        return self._openai(chat_ask(body, self.server.wire.ahead, 0), body)

    def _completion(self, request: Request) -> Ask:
        body = self._body(request, "prompt")
        return self._openai(completion_ask(body, 100), body)

    def _openai(self, ask: Ask, body: Body) -> Ask:
        for name in ("max_tokens", "temperature", "top_p", "seed"):
            value = body.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise _shape(f"{name}: invalid type", b"")
        if ask.max_tokens < 0:
            raise _shape("max_tokens: invalid value, expected u32", b"")
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
