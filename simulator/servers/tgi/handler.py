"""TGI 0.9.3: its native routes, its errors inside HTTP 200."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.ground_truth.truth_log import now_ns
from simulator.http.exchange import Request
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import Response, compact, retry_header
from simulator.servers.tgi.metrics import HISTOGRAMS, METRICS, metrics_page
from simulator.servers.tgi.requests import PLAIN, TgiRequestReader, characters
from simulator.servers.tgi.wire import GENERATION_FAILED
from simulator.text.token_spans import BEGIN_ID, token_id
from simulator.text.tokens import EOS_ID, Token


class TgiHandler(TgiRequestReader):
    """TGI's router."""

    histograms = HISTOGRAMS
    metrics = METRICS
    keeps_first_space = False

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {
            "/generate_stream": lambda request: self._native(request, True),
            "/generate": lambda request: self._native(request, False),
            "/": lambda request: self._native(request, None),
            "/invocations": lambda request: self._native(request, None),
        }

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {
            **dict.fromkeys(("/", "/health", "/ping"), lambda: Response(200, content_type=None)),
            "/info": lambda: Response(200, compact(self.info())),
            "/metrics": lambda: Response(200, metrics_page(self.context, self.metrics), PLAIN),
        }

    def info(self) -> dict[str, Any]:
        """`/info`."""
        settings = self.context.settings
        limits = settings.limits
        return {
            "model_id": settings.model,
            "model_sha": None,
            "model_dtype": "torch.float16",
            "model_device_type": "cuda",
            "model_pipeline_tag": None,
            "max_concurrent_requests": settings.max_concurrent_requests,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_length": limits.get("max_input_length"),
            "max_total_tokens": limits.get("max_total_tokens"),
            "waiting_served_ratio": limits.get("waiting_served_ratio"),
            "max_batch_total_tokens": limits.get("max_batch_total_tokens"),
            "max_waiting_tokens": limits.get("max_waiting_tokens"),
            "validation_workers": 2,
            "version": self.context.spec.version,
            "sha": None,
            "docker_label": None,
        }

    # -- errors --------------------------------------------------------------------------------

    def not_found(self, allowed: str | None) -> Response:
        """axum: empty bodies."""
        if allowed is not None:
            return Response(405, content_type=None, extra=(f"allow: {allowed}",))
        return Response(404, content_type=None)

    def too_large(self) -> Response:
        """Over 2 MiB."""
        return Response(413, b"Failed to buffer the request body: length limit exceeded", PLAIN)

    def failure_response(self, message: str) -> Response:
        """424: the model's words, whatever failed."""
        error = {
            "error": GENERATION_FAILED,
            "error_type": "generation",
        }
        return Response(424, compact(error))

    def fault_response(self, status: int, retry_after: float) -> Response:
        """429 as its non-streaming routes say it; 503 as its health check does."""
        words, kind = {429: ("Model is overloaded", "overloaded"), 503: ("unhealthy", "healthcheck")}[status]
        return Response(
            status, compact({"error": words, "error_type": kind}), extra=retry_header(retry_after)
        )

    def constants(self, job: Job) -> dict[str, str]:
        """The kind of a generation error too."""
        return {**super().constants(job), "error_type": "generation"}

    # -- answering -----------------------------------------------------------------------------

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """TGI gives its replies no id; this one is only for the truth log."""
        return ""

    def fingerprint(self) -> str:
        """`<version>-native`."""
        return f"{self.context.spec.version}-native"

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """The whole text and the details of the last native event."""
        details = self.details(reply, finish, count) if reply.job.params.details else None
        return {"generated": compact(self.text(reply, count)), "details": compact(details)}

    def text(self, reply: Reply, count: int) -> str:
        """Special tokens removed, stop sequence kept, prompt before it if asked."""
        answer, params = reply.job.answer, reply.job.params
        text = "".join(token.text for token in answer.shown[:count] if token.token_id != EOS_ID)
        if params.return_full_text:
            return params.prompt + text
        return text if self.keeps_first_space else text.removeprefix(" ")

    def details(self, reply: Reply, finish: str, count: int) -> dict[str, Any]:
        """`details` of a finished native reply."""
        wire = self.context.spec.streams["generate"]
        stopped = reply.job.answer.stop is not None and finish == "stop"
        words = (wire.finish_words or {}).get("stop_string" if stopped else finish, finish)
        tokens = self.usage(reply, count)["completion_tokens"]
        return {"finish_reason": words, "generated_tokens": tokens, "seed": reply.job.params.echo_seed}

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """`/generate`; times in the headers."""
        params = reply.job.params
        extra = self.times(reply, count)
        answer: dict[str, Any] = {"generated_text": self.text(reply, count)}
        if params.details:
            tokens = [token_facts(token) for token in reply.job.answer.tokens[:count]]
            details = {
                **self.details(reply, finish, count),
                "prefill": self.prefill(params),
                "tokens": tokens,
            }
            answer["details"] = details
            if params.best_of > 1:
                details["best_of_sequences"] = self._other_sequences(
                    answer["generated_text"], details, params.best_of
                )
        compat = reply.truth.path in ("/", "/invocations")
        return Response(200, compact([answer] if compat else answer), extra=extra)

    def prefill(self, params: GenerationParams) -> list[dict[str, Any]]:
        """The prompt's tokens, if they were asked for."""
        if not params.prompt_details:
            return []
        texts = ["<s>", *(f"▁{text}" for text in params.prompt_texts)]
        ids = [BEGIN_ID, *(token_id(text) for text in params.prompt_texts)]
        return [
            {"id": one, "text": text, "logprob": -1.0 if place else None}
            for place, (one, text) in enumerate(zip(ids, texts, strict=True))
        ]

    def _other_sequences(self, text: str, details: dict[str, Any], count: int) -> list[dict[str, Any]]:
        """The answers that were not the best: made up of the best one's tokens, in another order."""
        *words, last = details["tokens"]
        other = {**details, "seed": int(self.context.hex_id(16), 16), "tokens": [*reversed(words), last]}
        return [{"generated_text": text, **other} for _ in range(count - 1)]

    def times(self, reply: Reply, count: int) -> tuple[str, ...]:
        """Header lines with how long each stage took."""
        truth, params = reply.truth, reply.job.params
        now = now_ns()
        queued = truth.queued_ns or truth.received_ns
        admitted = truth.admitted_ns or queued
        total, waited, worked = now - truth.received_ns, admitted - queued, now - admitted
        return (
            "x-compute-type: gpu+optimized",
            f"x-compute-time: {self.compute_time(total)}",
            f"x-compute-characters: {characters(params)}",
            f"x-total-time: {total // 1_000_000}",
            f"x-validation-time: {(queued - truth.received_ns) // 1_000_000}",
            f"x-queue-time: {waited // 1_000_000}",
            f"x-inference-time: {worked // 1_000_000}",
            f"x-time-per-token: {worked // max(1, count) // 1_000_000}",
        )

    def stream_extra(self, job: Job) -> tuple[str, ...]:
        """See ServerHandler."""
        return ("x-compute-type: gpu+optimized", f"x-compute-characters: {characters(job.params)}")

    def compute_time(self, total_ns: int) -> str:
        """`x-compute-time`: whole milliseconds."""
        return str(total_ns // 1_000_000)


def token_facts(token: Token) -> dict[str, Any]:
    """A token as answers that do not stream list it."""
    return {
        "id": token.token_id,
        "text": token.text,
        "logprob": token.logprob,
        "special": token.token_id == EOS_ID,
    }
