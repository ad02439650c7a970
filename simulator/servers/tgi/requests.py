"""What TGI's router reads and refuses, in its own order (reference/protocols.md 5.2, 5.3)."""

from __future__ import annotations

import json

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.handler import ServerHandler
from simulator.servers.openai_body import Body, load, stop_strings
from simulator.text.tokens import token_texts

TYPES = {"validation": 422, "generation": 424, "overloaded": 429, "incomplete_generation": 500}
PLAIN = "text/plain; charset=utf-8"


class TgiRequestReader(ServerHandler):
    """The half of TGI's handler that reads and checks requests."""

    default_new_tokens = 20

    def refused(self, stream: bool, message: str, kind: str, endpoint: str = "generate") -> RequestRefused:
        """On a stream, every error is an event inside HTTP 200."""
        self.context.statistics.failed[kind] += 1
        wire = self.context.spec.streams[endpoint]
        words = json.dumps(message, ensure_ascii=False)
        if not stream:
            native = {"error": message, "error_type": kind}
            return RequestRefused(Response(TYPES[kind], compact(native)))
        event = wire.error.replace("<message>", words).replace("<error_type>", kind)
        events = [event] if wire.done_when == "never" else [event, "[DONE]"]
        chunks = tuple(f"{wire.prefix}{each}{wire.end}".encode() for each in events)
        extra = ("x-compute-type: gpu+optimized", "x-compute-characters: 0")
        marks = ((0, "error"), (0, "done"))[: len(events)]
        return RequestRefused(Response(200, b"", wire.content_type, extra, chunks=chunks, marks=marks))

    def body(self, request: Request, needed: str) -> Body:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise RequestRefused(
                Response(415, b"Expected request with `Content-Type: application/json`", PLAIN)
            )
        try:
            body = load(request.body)
        except json.JSONDecodeError as error:
            words = f"Failed to parse the request body as JSON: {error.msg} at line {error.lineno} column {error.colno}"
            raise RequestRefused(Response(400, words.encode(), PLAIN)) from None
        if not isinstance(body, dict) or body.get(needed) is None:
            raise wrong_shape(f"missing field `{needed}`", request.body)
        return body

    def _native(self, request: Request, stream: bool | None) -> GenerationParams:
        body = self.body(request, "inputs")
        parameters = body.get("parameters") or {}
        if not isinstance(body["inputs"], str):
            raise wrong_shape("inputs: invalid type, expected a string", request.body)
        if not isinstance(parameters, dict) or not _fits(parameters):
            raise wrong_shape("parameters: invalid type", request.body)
        streams = bool(body.get("stream")) if stream is None else stream
        self.overload(streams, "generate")
        wanted = parameters.get("max_new_tokens")
        if wanted is None:
            wanted = self.default_new_tokens
        sampled = any(
            parameters.get(name) is not None for name in ("temperature", "top_k", "top_p", "typical_p")
        )
        texts = token_texts(body["inputs"])
        params = GenerationParams(
            endpoint="generate",
            prompt=body["inputs"],
            model=self.context.settings.model,
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
            params.prompt_tokens = min(params.prompt_tokens, truncate)
            params.prompt_texts = texts[-params.prompt_tokens :]
        self._validate(body["inputs"], parameters, params)
        return params

    def _seed(self, parameters: Body, sampled: bool) -> int | None:
        if parameters.get("seed") is not None:
            return int(parameters["seed"])
        return int(self.context.hex_id(16), 16) if sampled or parameters.get("do_sample") else None

    def _validate(self, inputs: str, p: Body, params: GenerationParams) -> None:
        """In the router's order (reference/protocols.md 5.3)."""
        longest, total = self.context.limit("max_input_length"), self.context.limit("max_total_tokens")
        best_of = p.get("best_of") or 1
        sampling = p.get("do_sample") or (params.echo_seed is not None and p.get("seed") is None)
        temperature, top_p, typical_p = p.get("temperature"), p.get("top_p"), p.get("typical_p")
        stops = len(p.get("stop") or [])
        checks = (
            (params.stream and best_of != 1, "`best_of` != 1 is not supported when streaming tokens"),
            (
                params.stream and p.get("decoder_input_details"),
                "`decoder_input_details` is not supported when streaming tokens",
            ),
            (best_of > 1 and not sampling, "you must use sampling when `best_of` is > 1"),
            (best_of > 2 or best_of < 0, f"`best_of` must be > 0 and <= 2. Given: {best_of}"),
            (temperature is not None and temperature <= 0, "`temperature` must be strictly positive"),
            ((p.get("repetition_penalty") or 1) <= 0, "`repetition_penalty` must be strictly positive"),
            (top_p is not None and not 0 < top_p < 1, "`top_p` must be > 0.0 and < 1.0"),
            (typical_p is not None and not 0 < typical_p < 1, "`typical_p` must be > 0.0 and < 1.0"),
            (p.get("top_k") is not None and p["top_k"] <= 0, "`top_k` must be strictly positive"),
            (params.max_tokens <= 0, "`max_new_tokens` must be strictly positive"),
            (stops > 4, f"`stop` supports up to 4 stop sequences. Given: {stops}"),
            (not inputs, "`inputs` cannot be empty"),
            (
                p.get("truncate") is not None and not 0 < p["truncate"] <= longest,
                f"`truncate` must be strictly positive and less than {longest}. Given: {p.get('truncate')}",
            ),
        )
        for wrong, words in checks:
            if wrong:
                raise self.refused(params.stream, f"Input validation error: {words}", "validation")
        self.check_length(params, longest, total)

    def check_length(self, params: GenerationParams, longest: int, total: int) -> None:
        n = params.prompt_tokens
        words = None
        if n + params.max_tokens > total:
            words = (
                f"`inputs` tokens + `max_new_tokens` must be <= {total}. "
                f"Given: {n} `inputs` tokens and {params.max_tokens} `max_new_tokens`"
            )
        elif n > longest:
            words = f"`inputs` must have less than {longest} tokens. Given: {n}"
        if words is not None:
            raise self.refused(
                params.stream, f"Input validation error: {words}", "validation", params.endpoint
            )

    def overload(self, stream: bool, endpoint: str) -> None:
        """The semaphore is taken before validation; none free: overloaded, at once."""
        if self.context.open_requests >= self.context.settings.max_concurrent_requests:
            raise self.refused(stream, "Model is overloaded", "overloaded", endpoint)


def wrong_shape(words: str, body: bytes) -> RequestRefused:
    text = f"Failed to deserialize the JSON body into the target type: {words} at line 1 column {max(1, len(body))}"
    return RequestRefused(Response(422, text.encode(), PLAIN))


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
