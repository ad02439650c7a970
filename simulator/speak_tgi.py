"""Text Generation Inference 0.9.3 and 3.3: its native routes, its OpenAI routes, its errors inside HTTP 200."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.exchange import Request
from simulator.job import Ask
from simulator.metrics_tgi import metrics_page
from simulator.reply import Reply
from simulator.speak import Whole, compact, retry_header
from simulator.tgi_reading import PLAIN, TgiReader
from simulator.truth import now_ns
from simulator.words import EOS_ID


class TgiSpeaker(TgiReader):
    """TGI's router."""

    detail_404 = b""
    detail_405 = b""

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
