"""What TGI's router reads and refuses, in its own order (reference/protocols.md 5.2, 5.3)."""

from __future__ import annotations

import json
from typing import Any

import orjson

from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.handler import ServerHandler
from simulator.servers.openai_body import Body, load, stop_strings
from simulator.servers.tgi.serde import syntax_error, type_error
from simulator.text.tokens import token_texts

TYPES = {
    "validation": 422,
    "generation": 424,
    "overloaded": 429,
    "incomplete_generation": 500,
    "template_error": 422,
}
PLAIN = "text/plain; charset=utf-8"
WHOLE = {"max_new_tokens": "u32", "best_of": "usize", "top_k": "i32", "truncate": "usize", "seed": "u64"}
REAL = dict.fromkeys(("temperature", "top_p", "typical_p", "repetition_penalty", "frequency_penalty"), "f32")
MAX_BEST_OF, MAX_STOPS = 2, 4


class TgiRequestReader(ServerHandler):
    """The half of TGI's handler that reads and checks requests."""

    default_new_tokens: int | None = 20  # None: what is left of the context
    full_text_by_default = False  # whether the compat routes repeat the prompt where nothing is said
    knows_top_tokens = False

    def refused(self, params: GenerationParams, message: str, kind: str) -> RequestRefused:
        """On a stream, every error is an event inside HTTP 200."""
        self.context.statistics.failed[kind] += 1
        if not params.stream:
            native = {"error": message, "error_type": kind}
            return RequestRefused(Response(TYPES[kind], compact(native)))
        wire = self.context.spec.streams[params.endpoint]
        words = json.dumps(message, ensure_ascii=False)
        event = wire.error.replace("<message>", words).replace("<error_type>", kind)
        events = [event] if wire.done_when == "never" else [event, "[DONE]"]
        chunks = tuple(f"{wire.prefix}{each}{wire.end}".encode() for each in events)
        extra = ("x-compute-type: gpu+optimized", f"x-compute-characters: {characters(params)}")
        marks = ((0, "error"), (0, "done"))[: len(events)]
        return RequestRefused(Response(200, b"", wire.content_type, extra, chunks=chunks, marks=marks))

    def body(self, request: Request, needed: str) -> Body:
        """The JSON object with the field `needed`, as axum reads it."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise RequestRefused(
                Response(415, b"Expected request with `Content-Type: application/json`", PLAIN)
            )
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:  # Python's json reads NaN and Infinity, which serde does not
            words = syntax_error(request.body)
            try:
                body = None if words else load(request.body)
            except json.JSONDecodeError:
                words = f"{error.msg} at line {error.lineno} column {error.colno}"
        else:
            words = None
        if words:
            text = f"Failed to parse the request body as JSON: {words}"
            raise RequestRefused(Response(400, text.encode(), PLAIN))
        if not isinstance(body, dict) or needed not in body:
            raise wrong_shape(f"missing field `{needed}` at line 1 column {max(1, len(request.body))}")
        return body

    def must_be(self, request: Request, way: str, value: Any, expected: str) -> None:
        """Refuse a value that is not of the type `expected`, in Rust's words; None is refused too."""
        if not _is(value, expected):
            raise wrong_shape(type_error(request.body, way, value, expected))

    def _native(self, request: Request, stream: bool | None) -> GenerationParams:
        body = self.body(request, "inputs")
        self.must_be(request, "inputs", body["inputs"], "a string")
        parameters = body.get("parameters") or {}
        self.must_be(request, "parameters", parameters, "struct GenerateParameters")
        for name, expected in (WHOLE | REAL | {"stop": "a sequence"}).items():
            if parameters.get(name) is not None:
                self.must_be(request, f"parameters.{name}", parameters[name], expected)
        streams = bool(body.get("stream")) if stream is None else stream
        wanted = parameters.get("max_new_tokens")
        sampled = any(
            parameters.get(name) is not None for name in ("temperature", "top_k", "top_p", "typical_p")
        )
        texts = token_texts(body["inputs"])
        whole_text = parameters.get("return_full_text")
        if whole_text is None:
            whole_text = stream is None and self.full_text_by_default
        params = GenerationParams(
            endpoint="generate",
            prompt=body["inputs"],
            model=self.context.settings.model,
            stream=streams,
            max_tokens=self.default_new_tokens or 0,
            stops=stop_strings(parameters.get("stop")),
            details=bool(parameters.get("details")),
            return_full_text=bool(whole_text),
            echo_seed=self._seed(parameters, sampled),
            prompt_texts=texts,
            prompt_tokens=len(texts) + 1,
            best_of=parameters.get("best_of") or 1,
            top_tokens=(parameters.get("top_n_tokens") or None) if self.knows_top_tokens else None,
            prompt_details=bool(parameters.get("decoder_input_details")),
        )
        truncate = parameters.get("truncate")
        if truncate:
            params.prompt_tokens = min(params.prompt_tokens, truncate)
            params.prompt_texts = texts[-params.prompt_tokens :]
        if wanted is not None:
            params.max_tokens = wanted
        elif self.default_new_tokens is None:
            params.max_tokens = self.rest(params)
        self._validate(parameters, params, len(parameters.get("stop") or []))
        return params

    def rest(self, params: GenerationParams) -> int:
        """The tokens that the context leaves for an answer, at least 1."""
        return max(1, self.context.limit("max_total_tokens") - params.prompt_tokens)

    def _seed(self, parameters: Body, sampled: bool) -> int | None:
        if parameters.get("seed") is not None:
            return int(parameters["seed"])
        return int(self.context.hex_id(16), 16) if sampled or parameters.get("do_sample") else None

    def _validate(self, p: Body, params: GenerationParams, stops: int) -> None:
        """In the router's order (reference/protocols.md 5.3); `p` in the native names."""
        best_of = params.best_of
        before = (
            (params.stream and best_of != 1, "`best_of` != 1 is not supported when streaming tokens"),
            (
                params.stream and params.prompt_details,
                "`decoder_input_details` == true is not supported when streaming tokens",
            ),
        )
        self._refuse_first(params, before)
        self.overload(params)
        sampling = p.get("do_sample") or (params.echo_seed is not None and p.get("seed") is None)
        temperature, top_p, typical_p = p.get("temperature"), p.get("top_p"), p.get("typical_p")
        longest = self.context.limit("max_input_length")
        truncate, penalty = p.get("truncate"), p.get("frequency_penalty") or 0
        checks = (
            (
                best_of > MAX_BEST_OF or best_of < 0,
                f"`best_of` must be > 0 and <= {MAX_BEST_OF}. Given: {best_of}",
            ),
            (best_of > 1 and not sampling, "you must use sampling when `best_of` is > 1"),
            (temperature is not None and temperature <= 0, "`temperature` must be strictly positive"),
            (_or_one(p.get("repetition_penalty")) <= 0, "`repetition_penalty` must be strictly positive"),
            (not -2 <= penalty <= 2, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
            (top_p is not None and not 0 < top_p < 1, "`top_p` must be > 0.0 and < 1.0"),
            (typical_p is not None and not 0 < typical_p < 1, "`typical_p` must be > 0.0 and < 1.0"),
            (p.get("top_k") is not None and p["top_k"] <= 0, "`top_k` must be strictly positive"),
            (params.max_tokens <= 0, "`max_new_tokens` must be strictly positive"),
            (stops > MAX_STOPS, f"`stop` supports up to {MAX_STOPS} stop sequences. Given: {stops}"),
            (
                best_of > 1 and p.get("seed") is not None,
                "`seed` must not be set when `best_of` > 1",
            ),
            (
                (params.top_tokens or 0) > 5,
                f"`top_n_tokens` must be >= 0 and <= 5. Given: {params.top_tokens}",
            ),
            (not params.prompt, "`inputs` cannot be empty"),
            (
                truncate is not None and not 0 < truncate <= longest,
                f"`truncate` must be strictly positive and less than {longest}. Given: {truncate}",
            ),
        )
        self._refuse_first(params, checks)
        self.check_length(params)

    def _refuse_first(self, params: GenerationParams, checks: tuple[tuple[bool, str], ...]) -> None:
        for wrong, words in checks:
            if wrong:
                raise self.refused(params, f"Input validation error: {words}", "validation")

    def check_length(self, params: GenerationParams) -> None:
        """Prompt and answer must fit the model's context."""
        self.refuse_length(params, params.max_tokens)

    def refuse_length(self, params: GenerationParams, answer: int) -> None:
        """The same of a prompt and an answer of so many tokens."""
        longest, total = self.context.limit("max_input_length"), self.context.limit("max_total_tokens")
        n = params.prompt_tokens
        given = f"Given: {n} `inputs` tokens and {answer} `max_new_tokens`"
        checks = (
            (n + answer > total, f"`inputs` tokens + `max_new_tokens` must be <= {total}. {given}"),
            (n > longest, f"`inputs` must have less than {longest} tokens. Given: {n}"),
        )
        self._refuse_first(params, checks)

    def overload(self, params: GenerationParams) -> None:
        """The semaphore is taken before validation; none free: overloaded, at once."""
        if self.context.open_requests >= self.context.settings.max_concurrent_requests:
            raise self.refused(params, "Model is overloaded", "overloaded")


def characters(params: GenerationParams) -> int:
    """`x-compute-characters`: of the prompt, with what the chat template adds."""
    return len(params.prompt if params.templated is None else params.templated)


def wrong_shape(words: str) -> RequestRefused:
    """422 in axum's words."""
    text = f"Failed to deserialize the JSON body into the target type: {words}"
    return RequestRefused(Response(422, text.encode(), PLAIN))


def _or_one(value: float | None) -> float:
    return 1 if value is None else value


def _is(value: Any, expected: str) -> bool:
    """Whether a JSON value fits a Rust type."""
    if isinstance(value, bool):
        return expected == "a boolean"
    if expected in ("u32", "u64", "usize", "i32"):
        return isinstance(value, int) and (value >= 0 or expected == "i32")
    kinds: dict[str, type | tuple[type, ...]] = {
        "f32": (int, float),
        "a string": str,
        "a sequence": list,
        "a boolean": bool,
    }
    return isinstance(value, kinds.get(expected, dict))
