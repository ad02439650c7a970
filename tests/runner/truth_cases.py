"""The stream truth table: what each reply looks like on the wire, when, and what must be reported of it.

Times are ms after the request was read. This file builds bytes only; it imports nothing of chatload.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

Step = tuple[float, bytes]
WORDS = [f" word{i:02d}" for i in range(20)]
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True)
class Case:
    """One scripted reply. `end` is clean, reset or cut (closed without the last HTTP chunk)."""

    name: str
    steps: Sequence[Step]
    tokens: int = 20
    ttft_ms: float | None = 200.0
    tpot_ms: float | None = 20.0
    e2e_ms: float | None = 580.0
    code: str | None = None
    estimated: bool = False
    end: str = "clean"
    head: bytes = CHUNKED
    chunked: bool = True


def event(payload: object, *, prefix: str = "data: ", end: str = "\n\n") -> bytes:
    return f"{prefix}{payload if isinstance(payload, str) else json.dumps(payload)}{end}".encode()


def chunk(
    delta: dict[str, object] | None, finish: str | None = None, usage: int | None = None, **more: object
) -> dict[str, object]:
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


def tokens(key: str = "content", *, prefix: str = "data: ", end: str = "\n\n") -> list[Step]:
    return [
        (at, event(chunk({key: word}), prefix=prefix, end=end)) for at, word in zip(TIMES, WORDS, strict=True)
    ]


def grouped(size: int) -> list[Step]:
    return [(TIMES[i], event(chunk({"content": "".join(WORDS[i : i + size])}))) for i in range(0, 20, size)]


def error_head(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (
        status.encode(), len(body), body,
    )  # fmt: skip


def bytewise(steps: Sequence[Step]) -> list[Step]:
    """The same events, each sent as single bytes within one millisecond."""
    return [(at, bytes([byte])) for at, data in steps for byte in data]


FAILED = {"ttft_ms": None, "tpot_ms": None, "e2e_ms": None}

OPENAI_CASES = [
    Case("role event first", [ROLE, *tokens(), *TAIL]),
    Case("reasoning before content", [ROLE, *tokens("reasoning_content")[:10], *tokens()[10:], *TAIL]),
    Case("4 tokens an event", [ROLE, *grouped(4), *TAIL], e2e_ms=520.0, estimated=True),
    Case(
        "2 s gap in the middle",
        [
            ROLE,
            *tokens()[:10],
            *[(at + 2000, data) for at, data in tokens()[10:]],
            *[(a + 2000, d) for a, d in TAIL],
        ],
        e2e_ms=2580.0,
        tpot_ms=2380 / 19,
    ),
    Case(
        "error then [DONE] under 200",
        [
            ROLE,
            *tokens()[:5],
            (300.0, event({"error": {"message": "engine died", "code": 500}})),
            (301.0, event("[DONE]")),
        ],
        code="in_band_error",
        **FAILED,
    ),
    Case("clean close without an end mark", [ROLE, *tokens()[:5]], code="truncated", **FAILED),
    Case(
        "[DONE] alone is no end mark",
        [ROLE, *tokens()[:5], (300.0, event("[DONE]"))],
        code="truncated",
        **FAILED,
    ),
    Case("TCP reset", [ROLE, *tokens()[:5]], code="truncated", end="reset", **FAILED),
    Case("no last HTTP chunk", [ROLE, *tokens(), *TAIL], code="truncated", end="cut", **FAILED),
    Case("data: without space", [ROLE, *tokens(prefix="data:"), *TAIL]),
    Case(
        "CRLF",
        [(at, data.replace(b"\n", b"\r\n")) for at, data in [ROLE, *tokens(), *TAIL]],
    ),
    Case("pings before the first token", [(20.0, b": ping\n\n"), (60.0, b":\n\n"), *tokens(), *TAIL]),
    Case(
        "usage inside the finish event", [ROLE, *tokens(), (581.0, event(chunk({}, "stop", usage=20))), DONE]
    ),
    Case("no usage at all", [ROLE, *tokens(), FINISH, DONE]),
    Case(
        "[DONE] after every event",
        [(at, data + event("[DONE]")) for at, data in [ROLE, *tokens(), FINISH]],
    ),
    Case("usage event with a choice", [ROLE, *tokens(), (581.0, event(chunk({}, "stop", usage=20))), DONE]),
    Case("bytes one by one", bytewise([ROLE, *tokens(), *TAIL])),
    Case(
        "several events in one read",
        [ROLE, *[(TIMES[i], tokens()[i][1] + tokens()[i + 1][1]) for i in range(0, 20, 2)], *TAIL],
        e2e_ms=560.0,
        tpot_ms=360 / 19,
    ),
    Case("finish_reason but no [DONE]", [ROLE, *tokens(), FINISH, USAGE]),
    Case("an event with empty content", [ROLE, (100.0, event(chunk({"content": ""}))), *tokens(), *TAIL]),
    Case(
        "finish_reason abort",
        [ROLE, *tokens()[:5], (300.0, event(chunk({}, "abort"))), (301.0, event("[DONE]"))],
        code="aborted",
        **FAILED,
    ),
    Case(
        "429",
        [],
        code="http_429",
        head=error_head("429 Too Many Requests", b"slow down"),
        chunked=False,
        **FAILED,
    ),
    Case(
        "503",
        [],
        code="http_5xx",
        head=error_head("503 Service Unavailable", b"busy"),
        chunked=False,
        **FAILED,
    ),
    Case("broken JSON", [ROLE, (200.0, b'data: {"choices": [\n\n')], code="bad_wire", **FAILED),
    Case(
        "counts in every event",
        [
            *[
                (TIMES[i], event(chunk({"content": "".join(WORDS[i : i + 4])}, usage=i + 4)))
                for i in range(0, 20, 4)
            ],
            FINISH,
            DONE,
        ],
        e2e_ms=520.0,
    ),
]


def tgi_event(i: int, *, last: bool = False) -> bytes:
    payload = {
        "token": {"id": 100 + i, "text": WORDS[i], "logprob": -0.5, "special": False},
        "generated_text": "".join(WORDS) if last else None,
        "details": {"finish_reason": "length", "generated_tokens": 20, "seed": None} if last else None,
    }
    return event(payload, prefix="data:")


TGI_CASES = [
    Case("TGI tokens", [(15.0, b":\n\n"), *[(TIMES[i], tgi_event(i, last=i == 19)) for i in range(20)]]),
    Case(
        "TGI overloaded",
        [(5.0, event({"error": "Model is overloaded", "error_type": "overloaded"}, prefix="data:"))],
        code="overloaded",
        **FAILED,
    ),
    Case(
        "TGI generation error in the middle",
        [
            *[(TIMES[i], tgi_event(i)) for i in range(5)],
            (300.0, event({"error": "CUDA out of memory", "error_type": "generation"}, prefix="data:")),
        ],
        code="in_band_error",
        **FAILED,
    ),
    Case(
        "TGI without its last event", [(TIMES[i], tgi_event(i)) for i in range(5)], code="truncated", **FAILED
    ),
]

PROMPT = "Once a upon time,"


def frame(text: str) -> bytes:
    return json.dumps({"text": [PROMPT + text]}).encode() + b"\0"


VLLM_GENERATE_CASES = [
    Case("cumulative frames", [(TIMES[i], frame("".join(WORDS[: i + 1]))) for i in range(20)]),
    Case(
        "a frame cut short", [(200.0, frame(" a")), (220.0, frame(" a b")[:-3])], code="truncated", **FAILED
    ),
]

TABLES = {"openai": OPENAI_CASES, "tgi": TGI_CASES, "vllm-generate": VLLM_GENERATE_CASES}
