"""The interface of a server family's code: routes, admission, errors, answers. One subclass per family."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from simulator.http.exchange import Request
from simulator.replies.encoder import Encoder
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import Response, retry_header
from simulator.replies.sse_encoder import SseEncoder
from simulator.replies.stream_format import StreamFormat
from simulator.servers.context import ServerContext
from simulator.servers.statistics import HistogramSpec


class ServerHandler:
    """Routes, error bodies and answers of one family.

    `histograms`: those of its /metrics page.
    """

    histograms: tuple[HistogramSpec, ...] = ()

    def __init__(self, context: ServerContext) -> None:
        self.context = context

    # -- routes --------------------------------------------------------------------------------

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """POST routes that generate: path -> reader of its body. The reader raises RequestRefused."""
        return {}

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """GET routes: path -> answer."""
        return {}

    def post_pages(self) -> Mapping[str, Callable[[Request], Response]]:
        """POST routes that generate nothing, such as a tokenizer's: path -> answer, or RequestRefused."""
        return {}

    def not_found(self, allowed: str | None) -> Response:
        """404, or 405 when the path exists for the method `allowed`. As FastAPI words them."""
        if allowed is not None:
            return Response(405, b'{"detail":"Method Not Allowed"}', extra=(f"allow: {allowed}",))
        return Response(404, b'{"detail":"Not Found"}')

    def too_large(self) -> Response:
        """The body is larger than the server takes."""
        return Response(413, b'{"detail":"Request Entity Too Large"}')

    def fault_response(self, status: int, retry_after: float) -> Response:
        """The answer for the faults 429 and 503; `retry_after` in s, negative: no such header."""
        words = {429: "Too Many Requests", 503: "Service Unavailable"}[status]
        return Response(status, words.encode(), "text/plain; charset=utf-8", extra=retry_header(retry_after))

    # -- admission -----------------------------------------------------------------------------

    def admit(self, params: GenerationParams, request: Request) -> None:
        """Raise RequestRefused where the prompt's length or the server's limits do not allow the request."""

    # -- the reply -----------------------------------------------------------------------------

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """The id the server gives the reply."""
        return self.context.hex_id(32)

    def constants(self, job: Job) -> dict[str, str]:
        """Template slots whose value is the same in all events of a reply, as JSON text."""
        return {
            "id": job.reply_id,
            "created": str(job.created),
            "model": orjson.dumps(job.params.model).decode(),
            "fingerprint": self.fingerprint(),
            "prompt_ids": "null",
        }

    def fingerprint(self) -> str:
        """`system_fingerprint`."""
        return ""

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """Template slots of the events that end a stream."""
        return {}

    def stream_format(self, job: Job) -> StreamFormat:
        """The events of this reply."""
        return self.context.spec.streams[job.params.endpoint]

    def stream_encoder(self, job: Job, reply: Callable[[], Reply]) -> Encoder:
        """What turns the tokens of a streamed reply into bytes; `reply` gives the reply once it exists."""
        encoder = SseEncoder(
            self.stream_format(job),
            job,
            self.constants(job),
            lambda finish, count: self.final_values(reply(), finish, count),
        )
        encoder.upper_case_chunks = self.context.spec.head_format.upper_case_chunks
        return encoder

    def stream_extra(self, job: Job) -> tuple[str, ...]:
        """Header lines of a stream beside the content type."""
        wire = self.context.spec.streams[job.params.endpoint]
        characters = len(job.params.prompt)
        return tuple(line.format(id=job.reply_id, characters=characters, now="") for line in wire.head_extra)

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """The answer to a request that did not ask for a stream."""
        raise NotImplementedError

    def failure_response(self, message: str) -> Response:
        """The answer to a request that does not stream and whose generation failed."""
        return Response(500, b"Internal Server Error", "text/plain; charset=utf-8")

    def engine_dead_response(self) -> Response:
        """The answer to a request after the engine has died, where it is no stream (ServerSpec.dead_engine_s)."""
        return self.failure_response("Internal server error")

    def usage(self, reply: Reply, count: int) -> dict[str, int]:
        """prompt, total and completion tokens in OpenAI's names, vLLM's order."""
        prompt = reply.job.params.prompt_tokens
        said = max(0, count + reply.job.usage_error)
        return {"prompt_tokens": prompt, "total_tokens": prompt + said, "completion_tokens": said}
