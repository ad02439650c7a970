"""Chat replies as gateways, proxies and reasoning models send them: from public bug reports, in our own bytes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from lab.truth_table.case import (
    DONE,
    FINISH,
    ROLE,
    TAIL,
    TIMES,
    USAGE,
    WORDS,
    Case,
    Step,
    Truth,
    chunk,
    deltas,
    error_head,
    event,
    tokens,
)

THINKS = Truth(ttfa_ms=400.0)
"""Ten tokens of reasoning, then ten of the answer."""
GZIP = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def reasoning(key: str, shape: str = "text") -> list[Step]:
    """The first ten tokens as reasoning under `key`, in a shape, the others as content."""
    shapes: dict[str, object] = {
        "text": "{}",
        "parts": [{"type": "reasoning.text", "text": "{}", "index": 0}],
        "thinking": [{"type": "thinking", "thinking": [{"type": "text", "text": "{}"}]}],
        "object": {"content": "{}"},
    }
    return [*[(at, _filled(key, shapes[shape], word)) for (at, _), word in _first_ten()], *tokens()[10:]]


def gzipped(steps: Sequence[Step]) -> list[Step]:
    """The same events in one gzip stream, flushed after each."""
    packer = zlib.compressobj(wbits=31)
    found = [(at, packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)) for at, data in steps]
    return [*found, (found[-1][0] + 1, packer.flush())]


def _first_ten() -> list[tuple[Step, str]]:
    return list(zip(tokens()[:10], WORDS[:10], strict=True))


def _filled(key: str, shape: object, word: str) -> bytes:
    return event(chunk({key: shape})).replace(b"{}", word.encode())


def _without_end(steps: Sequence[Step], ending: bytes) -> list[Step]:
    """The last step without the bytes `ending` at its end."""
    at, data = steps[-1]
    return [*steps[:-1], (at, data.removesuffix(ending))]


WHOLE = {
    "id": "p",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 20, "total_tokens": 27},
}

ENDS = [
    Case("[DONE] without its blank line", _without_end([ROLE, *tokens(), *TAIL], b"\n")),
    Case(
        "last event without its blank line",
        _without_end([ROLE, *tokens(), (581.0, event(chunk({}, "stop", usage=20)))], b"\n"),
    ),
    Case(
        "last event without any line end",
        _without_end([ROLE, *tokens(), (581.0, event(chunk({}, "stop", usage=20)))], b"\n\n"),
    ),
    Case(
        "a single line end after each event",
        [(at, data.replace(b"\n\n", b"\n")) for at, data in [ROLE, *tokens(), *TAIL]],
        code="bad_wire",
        says="a single line end after each event",
        either=True,
    ),
    Case("finish_reason None as a word, then cut", [ROLE, *tokens(finish="None")[:5]], code="truncated"),
    Case("finish_reason null as a word", [ROLE, *tokens(finish="null"), *TAIL]),
    Case(
        "stop on each event of reasoning, then cut",
        [ROLE, *tokens("reasoning_content", finish="stop")[:5]],
        code="truncated",
    ),
    Case(
        "stop on reasoning, then an answer with its end",
        [ROLE, *tokens("reasoning_content", finish="stop")[:10], *tokens()[10:], *TAIL],
        truth=THINKS,
    ),
    Case(
        "content filter before any text",
        [ROLE, (30.0, event(chunk({}, "content_filter"))), (31.0, event("[DONE]"))],
        code="filtered",
        says="content_filter",
    ),
    Case("the last event repeats the message", [ROLE, *tokens(), (581.0, event(WHOLE)), DONE]),
    Case(
        "finished but never closed",
        [ROLE, *tokens(), FINISH, USAGE],
        code="not_closed",
        says="the server never ended the message",
        end="open",
    ),
]

SHAPES = [
    Case(
        "content as parts",
        [ROLE, *deltas({"content": [{"type": "text", "text": word}]} for word in WORDS), *TAIL],
    ),
    Case(
        "blank and zero-width deltas first",
        [
            ROLE,
            (100.0, event(chunk({"content": "\u200b"}))),
            (120.0, event(chunk({"content": "\n\n"}))),
            *tokens(),
            FINISH,
            (631.0, event(chunk(None, usage=22))),
            DONE,
        ],
        truth=Truth(tokens=22),
    ),
    Case(
        "a blank delta between reasoning and answer",
        [
            ROLE,
            *tokens("reasoning_content")[:10],
            (390.0, event(chunk({"content": "\n\n"}))),
            *tokens()[10:],
            FINISH,
            (631.0, event(chunk(None, usage=21))),
            DONE,
        ],
        truth=Truth(tokens=21, ttfa_ms=400.0, tpot_ms=19.0),
    ),
    Case(
        "reasoning inside the text",
        [
            ROLE,
            *[
                (at, event(chunk({"content": word})))
                for at, word in zip(TIMES, ["<think>", *WORDS[1:9], "</think>"], strict=False)
            ],
            *tokens()[10:],
            *TAIL,
        ],
        truth=THINKS,
    ),
    Case("refusal", [ROLE, *tokens("refusal"), *TAIL]),
    Case("reasoning", [ROLE, *reasoning("reasoning"), *TAIL], truth=THINKS),
    Case("reasoning_text", [ROLE, *reasoning("reasoning_text"), *TAIL], truth=THINKS),
    Case("thinking", [ROLE, *reasoning("thinking"), *TAIL], truth=THINKS),
    Case("thinking as an object", [ROLE, *reasoning("thinking", "object"), *TAIL], truth=THINKS),
    Case("reasoning_details", [ROLE, *reasoning("reasoning_details", "parts"), *TAIL], truth=THINKS),
    Case("thinking parts inside content", [ROLE, *reasoning("content", "thinking"), *TAIL], truth=THINKS),
]

ERRORS = [
    Case(
        "event: error with code and message",
        [
            ROLE,
            *tokens()[:5],
            (
                300.0,
                b"event:error\n:HTTP_STATUS/429\n"
                b'data:{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded"}\n\n',
            ),
        ],
        code="overloaded",
        says="Requests rate limit exceeded",
    ),
    Case(
        "event: error with a message only",
        [ROLE, *tokens()[:5], (300.0, b'event: error\ndata: {"message":"engine died"}\n\n'), DONE],
        code="in_band_error",
        says="engine died",
    ),
    Case(
        "detail inside the stream",
        [ROLE, *tokens()[:5], (300.0, event({"detail": "engine died"})), DONE],
        code="in_band_error",
        says="engine died",
    ),
    Case(
        "a raw JSON line inside the stream",
        [ROLE, *tokens()[:5], (300.0, b'{"error":"runner has terminated"}\n')],
        code="in_band_error",
        says="runner has terminated",
    ),
    Case(
        "a JSON error as the body of a 200",
        [],
        code="overloaded",
        says="quota exceeded",
        chunked=False,
        head=error_head(
            "200 OK",
            b'{"error": {"message": "quota exceeded", "code": "429"}}',
            b"content-type: application/json\r\n",
        ),
    ),
    Case(
        "gzip that nobody asked for",
        gzipped([ROLE, *tokens(), *TAIL]),
        code="bad_wire",
        says="content-encoding gzip",
        either=True,
        head=GZIP,
    ),
    Case(
        "a redirect",
        [],
        code="http_3xx",
        says="https://127.0.0.1/v1/chat/completions",
        chunked=False,
        head=error_head(
            "307 Temporary Redirect", b"", b"location: https://127.0.0.1/v1/chat/completions\r\n"
        ),
    ),
]

FIELD_CASES = [*ENDS, *SHAPES, *ERRORS]
