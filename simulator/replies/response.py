"""A complete HTTP response, and the exception that carries one."""

from __future__ import annotations

import json
from dataclasses import dataclass

import orjson

from simulator.ground_truth.truth_log import Marks
from simulator.http.framing import HeadFormat, ResponseHead, http_chunk


@dataclass(frozen=True, slots=True)
class Response:
    """Status, body and headers; `chunks` sends the body as a stream of one HTTP chunk per item.

    `close` announces the end of the connection in a header, `close_silently` closes without announcing it.
    """

    status: int
    body: bytes = b""
    content_type: str | None = "application/json"
    extra: tuple[str, ...] = ()
    close: bool = False
    close_silently: bool = False
    chunks: tuple[bytes, ...] | None = None
    marks: Marks = ()

    def encode(self, head_format: HeadFormat, vary: str, close: bool) -> bytes:
        """Head and body."""
        length = len(self.body) if self.chunks is None else None
        head = ResponseHead(self.status, self.content_type, length, self.extra, self.close or close)
        data = head.encode(head_format, vary)
        if self.chunks is None:
            return data + self.body
        upper_case = head_format.upper_case_chunks
        return data + b"".join(http_chunk(chunk, upper_case) for chunk in self.chunks) + b"0\r\n\r\n"


class RequestRefused(Exception):
    """The request gets an error response instead of an answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def compact(value: object) -> bytes:
    """JSON without spaces, raw UTF-8."""
    return orjson.dumps(value)


def spaced(value: object) -> bytes:
    """JSON as Python's json module writes it: spaces, ASCII only."""
    return json.dumps(value).encode()


def retry_header(retry_after: float) -> tuple[str, ...]:
    """`Retry-After`, unless negative."""
    return (f"retry-after: {retry_after:g}",) if retry_after >= 0 else ()
