"""One scripted reply, what is true of it, and the builders of its events. Bytes only: nothing of chatload is used.

Times are ms after the request was read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Step = tuple[float, bytes]
"""(ms, bytes of the body): sent as one HTTP chunk where the reply is chunked."""
WORDS = [f" word{i:02d}" for i in range(20)]
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True)
class Truth:
    """What is true of a good reply; a figure that is None cannot be told. `estimated`: TPOT can only be estimated."""

    tokens: int = 20
    ttft_ms: float = 200.0
    ttfa_ms: float = 200.0
    tpot_ms: float = 20.0
    e2e_ms: float = 580.0
    estimated: bool = False


@dataclass(frozen=True)
class Case:
    """One scripted reply. `end`: clean, reset, cut (closed without the last HTTP chunk) or open (never ended).

    `code` is that of chatload for a reply that failed, with words of the failure in `says`; else `truth` holds.
    `either`: a client may read the reply as a good one too, if its figures are the `truth`.
    """

    name: str
    steps: Sequence[Step]
    truth: Truth = Truth()
    code: str | None = None
    says: str = ""
    either: bool = False
    end: str = "clean"
    head: bytes = CHUNKED
    chunked: bool = True

    @property
    def slug(self) -> str:
        """The name as part of a URL."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def as_json(self) -> dict[str, object]:
        """The case as a file for other tools: bytes as latin-1 texts."""
        truth: dict[str, object] = {"ok": False, "code": self.code, "words": self.says}
        if self.code is None:
            told = self.truth
            truth = {
                "ok": True,
                "tokens": told.tokens,
                "ttft_ms": told.ttft_ms,
                "ttfa_ms": told.ttfa_ms,
                "tpot_ms": told.tpot_ms,
                "e2e_ms": told.e2e_ms,
            }
        steps = [{"at_ms": at_ms, "data": data.decode("latin-1")} for at_ms, data in self.steps]
        return {
            "name": self.name,
            "framing": "chunked" if self.chunked else "raw",
            "end": self.end,
            "head": self.head.decode("latin-1"),
            "steps": steps,
            "truth": truth,
        }


def event(payload: object, *, prefix: str = "data: ", end: str = "\n\n") -> bytes:
    """One server-sent event."""
    return f"{prefix}{payload if isinstance(payload, str) else json.dumps(payload)}{end}".encode()


def chunk(
    delta: dict[str, object] | None, finish: str | None = None, usage: int | None = None, **more: object
) -> dict[str, object]:
    """A chat completion chunk; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": choices,
        **more,
    }
    if usage is not None:
        body["usage"] = {"prompt_tokens": 7, "completion_tokens": usage, "total_tokens": 7 + usage}
    return body


ROLE = (20.0, event(chunk({"role": "assistant", "content": ""})))
TIMES = [200.0 + 20 * i for i in range(20)]
FINISH = (581.0, event(chunk({}, "stop")))
USAGE = (631.0, event(chunk(None, usage=20)))
DONE = (632.0, event("[DONE]"))
TAIL = [FINISH, USAGE, DONE]


def tokens(
    key: str = "content", *, prefix: str = "data: ", end: str = "\n\n", finish: str | None = None
) -> list[Step]:
    """20 tokens, one event each, every 20 ms from 200 ms on."""
    return [
        (at, event(chunk({key: word}, finish), prefix=prefix, end=end))
        for at, word in zip(TIMES, WORDS, strict=True)
    ]


def deltas(said: Iterable[Mapping[str, object]]) -> list[Step]:
    """Events with these deltas at the times of the tokens."""
    return [(at, event(chunk({**delta}))) for at, delta in zip(TIMES, said, strict=True)]


def error_head(status: str, body: bytes, headers: bytes = b"content-type: text/plain\r\n") -> bytes:
    """A whole reply that is no stream."""
    head = b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n" % (status.encode(), headers, len(body))
    return head + body
