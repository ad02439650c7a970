"""What a server family has to know how to say; one subclass per family in speak_*.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from simulator.events import http_chunk
from simulator.heads import Head
from simulator.job import Ask, Job
from simulator.truth import Marks

if TYPE_CHECKING:
    from simulator.exchange import Request
    from simulator.reply import Reply
    from simulator.server import Server


@dataclass(frozen=True, slots=True)
class Whole:
    """A complete response; `chunked` sends the body as a stream of one chunk per event."""

    status: int
    body: bytes = b""
    content_type: str | None = "application/json"
    extra: tuple[str, ...] = ()
    close: bool = False
    close_silently: bool = False
    chunks: tuple[bytes, ...] | None = None
    marks: Marks = ()

    def encode(self, server: Server, close: bool) -> bytes:
        """Head and body."""
        length = len(self.body) if self.chunks is None else None
        head = Head(self.status, self.content_type, length, self.extra, self.close or close)
        data = head.encode(server.wire.heads, server.wire.vary)
        if self.chunks is None:
            return data + self.body
        return data + b"".join(http_chunk(chunk) for chunk in self.chunks) + b"0\r\n\r\n"


class Refused(Exception):
    """The request is answered with an error instead of an answer."""

    def __init__(self, whole: Whole) -> None:
        super().__init__(whole.status)
        self.whole = whole


def compact(value: object) -> bytes:
    """JSON without spaces, raw UTF-8."""
    return orjson.dumps(value)


def spaced(value: object) -> bytes:
    """JSON as Python's json module writes it: spaces, ASCII only."""
    return json.dumps(value).encode()


class Speaker:
    """Routes and words of one family. `generations`: path -> reader of its body into an Ask."""

    detail_404 = b'{"detail":"Not Found"}'
    detail_405 = b'{"detail":"Method Not Allowed"}'

    def __init__(self, server: Server) -> None:
        self.server = server

    # -- routes --------------------------------------------------------------------------------

    def generations(self) -> Mapping[str, Callable[[Request], Ask]]:
        """POST routes that generate."""
        return {}

    def pages(self) -> Mapping[str, Callable[[], Whole]]:
        """GET routes."""
        return {}

    def missing(self, method: str, path: str, allowed: str | None) -> Whole:
        """404, or 405 when the path exists for another method."""
        if allowed is not None:
            return Whole(405, self.detail_405, extra=(f"allow: {allowed}",))
        return Whole(404, self.detail_404)

    def too_large(self) -> Whole:
        """The body is larger than the server takes."""
        return Whole(413, b'{"detail":"Request Entity Too Large"}')

    def struck(self, status: int, retry_after: float) -> Whole:
        """A 429 or 503 fault, in this family's words."""
        words = {429: "Too Many Requests", 503: "Service Unavailable"}[status]
        return Whole(status, words.encode(), "text/plain; charset=utf-8", extra=retry_header(retry_after))

    # -- admission -----------------------------------------------------------------------------

    def admit(self, ask: Ask, request: Request) -> None:
        """Raise Refused where the prompt's length or the server's limits do not allow the request."""

    # -- the reply -----------------------------------------------------------------------------

    def reply_id(self, ask: Ask, request: Request) -> str:
        """The id the server gives the reply."""
        return self.server.hex_id(32)

    def constants(self, job: Job) -> dict[str, str]:
        """Slots of the templates that stay the same in a reply, as JSON text."""
        return {
            "id": job.reply_id,
            "created": str(job.created),
            "model": orjson.dumps(job.ask.model).decode(),
            "fingerprint": self.fingerprint(),
            "prompt_ids": "null",
        }

    def fingerprint(self) -> str:
        """`system_fingerprint`."""
        return ""

    def finals(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """Slots of the events that end a stream."""
        return {}

    def stream_extra(self, job: Job) -> tuple[str, ...]:
        """Header lines of a stream beside the type."""
        wire = self.server.wire.streams[job.ask.endpoint]
        characters = len(job.ask.prompt)
        return tuple(line.format(id=job.reply_id, characters=characters, now="") for line in wire.head_extra)

    def whole(self, reply: Reply, finish: str, count: int) -> Whole:
        """The answer to a request that did not ask for a stream."""
        raise NotImplementedError

    def failed(self, message: str) -> Whole:
        """The answer to one whose generation failed."""
        return Whole(500, b"Internal Server Error", "text/plain; charset=utf-8")

    def usage(self, reply: Reply, count: int) -> dict[str, int]:
        """prompt, total and completion tokens in OpenAI's names, vLLM's order."""
        prompt = reply.job.ask.prompt_tokens
        said = max(0, count + reply.job.usage_error)
        return {"prompt_tokens": prompt, "total_tokens": prompt + said, "completion_tokens": said}


def retry_header(retry_after: float) -> tuple[str, ...]:
    """`Retry-After`, unless negative."""
    return (f"retry-after: {retry_after:g}",) if retry_after >= 0 else ()


def is_whole_number(value: Any) -> bool:
    """An int that is no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def message_text(content: object) -> str:
    """The text of a message: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def stop_strings(value: object) -> tuple[str, ...]:
    """`stop` as a tuple; empty strings are dropped."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list):
        return tuple(each for each in value if isinstance(each, str) and each)
    return ()
