"""Replies of OpenAI's Responses, of Anthropic's Messages and of Ollama's own route."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lab.truth_table.case import CHUNKED, TIMES, WORDS, Case, Step, Truth

TEXT = "".join(WORDS)
LATE_MS, AT_ONCE = 800.0, Truth(ttft_ms=380.0, ttfa_ms=380.0)
THOUGHT = Truth(ttfa_ms=400.0)
LINES_HEAD = CHUNKED.replace(b"text/event-stream; charset=utf-8", b"application/x-ndjson")


def typed(kind: str, **fields: object) -> bytes:
    """An event with its type in the line before its data and within it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def timed(events: Sequence[bytes]) -> list[Step]:
    """One event a token, every 20 ms from 200 ms on."""
    return list(zip(TIMES, events, strict=True))


def burst(steps: list[Step]) -> list[Step]:
    """The first ten in one write, when the last of them is due."""
    return [(steps[9][0], b"".join(data for _, data in steps[:10])), *steps[10:]]


def at(ms: float, *events: bytes) -> Step:
    """Events in one write."""
    return ms, b"".join(events)


# -- Responses


def _response(kind: str, **more: object) -> bytes:
    return typed(f"response.{kind}", response={"id": "resp_1", "status": kind, "error": None, **more})


def _used(made: int = 20, reasoning: int = 0) -> dict[str, object]:
    details = {"reasoning_tokens": reasoning}
    counts = {"input_tokens": 7, "output_tokens": made, "output_tokens_details": details}
    return {"usage": {**counts, "total_tokens": 7 + made}}


def _said(text: str = TEXT) -> dict[str, object]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def _delta(word: str, kind: str = "output_text") -> bytes:
    return typed(f"response.{kind}.delta", item_id="msg_1", output_index=0, delta=word)


_OPENING = [
    at(20.0, _response("created", output=[])),
    at(21.0, typed("response.output_item.added", item={"type": "message", "content": []})),
]
_DELTAS = timed([_delta(word) for word in WORDS])
_WHOLE = [
    at(582.0, typed("response.output_text.done", item_id="msg_1", text=TEXT)),
    at(583.0, typed("response.output_item.done", item=_said())),
]
_COMPLETED = at(584.0, _response("completed", output=[_said()], **_used()))
_REASONED = timed([_delta(word, "reasoning_text") for word in WORDS[:10]] + [_delta(w) for w in WORDS[10:]])
_UNKNOWN = typed("response.audio.delta", delta="AAAA") + typed("keepalive", sequence_number=7)

RESPONSES_CASES = [
    Case("the whole text three times more", [*_OPENING, *_DELTAS, *_WHOLE, _COMPLETED]),
    Case("the end late", [*_OPENING, *_DELTAS, (580.0 + LATE_MS, _COMPLETED[1])]),
    Case("the first ten events in one write", [*_OPENING, *burst(_DELTAS), _COMPLETED], truth=AT_ONCE),
    Case(
        "hidden reasoning",
        [*_OPENING, *_DELTAS, at(584.0, _response("completed", output=[], **_used(100, 80)))],
    ),
    Case("shown reasoning", [*_OPENING, *_REASONED, at(584.0, _response("completed", **_used(20, 10)))],
         truth=THOUGHT),
    Case("pings and events nobody knows", [
        *_OPENING, at(100.0, b": ping\n\n", _UNKNOWN), *((ms, data + _UNKNOWN) for ms, data in _DELTAS), _COMPLETED,
    ]),
    Case("the limit, as vLLM has it", [*_OPENING, *_DELTAS, at(584.0, _response(
        "completed", status="incomplete", incomplete_details={"reason": "max_output_tokens"}, **_used()))]),
    Case("failed in the middle", [*_OPENING, *_DELTAS[:9], at(400.0, _response(
        "failed", error={"code": "server_error", "message": "The model failed"}))],
        code="server_error", says="The model failed"),
    Case("an error event in the middle", [*_OPENING, *_DELTAS[:9], at(400.0, typed(
        "error", code="rate_limit_exceeded", message="Slow down", param=None))], code="overloaded", says="Slow down"),
    Case("filtered", [*_OPENING, *_DELTAS, at(584.0, _response(
        "incomplete", incomplete_details={"reason": "content_filter"}, **_used()))], code="filtered"),
    Case("no end", [*_OPENING, *_DELTAS], code="truncated"),
    Case("cut", [*_OPENING, *_DELTAS[:9]], code="truncated", end="cut"),
]  # fmt: skip

# -- Messages


def _block(kind: str, **fields: object) -> bytes:
    return typed("content_block_delta", index=0, delta={"type": kind, **fields})


def _start(kind: str, **fields: object) -> bytes:
    return typed("content_block_start", index=0, content_block={"type": kind, **fields})


def _reason(word: str | None, made: int = 20) -> bytes:
    return typed(
        "message_delta", delta={"stop_reason": word, "stop_sequence": None}, usage={"output_tokens": made}
    )


_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_STOP, _OVER = typed("content_block_stop", index=0), typed("message_stop")
_BEGIN = [
    at(
        20.0,
        typed("message_start", message={"id": "msg_1", "usage": {"input_tokens": 7, "output_tokens": 1}}),
    ),
    at(21.0, _PING),
]
_TEXTS = [at(199.0, _start("text", text="")), *timed([_block("text_delta", text=word) for word in WORDS])]
_END = at(582.0, _STOP, _reason("end_turn"), _OVER)
_THINKING = [
    at(199.0, _start("thinking", thinking="", signature="")),
    *timed([_block("thinking_delta", thinking=word) for word in WORDS])[:10],
    at(381.0, _block("signature_delta", signature="EqQBCg"), _STOP, _start("text", text="")),
    *_TEXTS[11:],
]

MESSAGES_CASES = [
    Case("a reply", [*_BEGIN, *_TEXTS, _END]),
    Case("the end late", [*_BEGIN, *_TEXTS, (580.0 + LATE_MS, _END[1])]),
    Case("the first ten events in one write", [*_BEGIN, _TEXTS[0], *burst(_TEXTS[1:]), _END], truth=AT_ONCE),
    Case("pings between the tokens", [*_BEGIN, *((ms, data + _PING) for ms, data in _TEXTS), _END]),
    Case("thinking, signed", [*_BEGIN, *_THINKING, _END], truth=THOUGHT),
    Case("the usage twice", [*_BEGIN, *_TEXTS, at(300.0 + 281.0, _reason(None, 12)), _END]),
    Case("events nobody knows", [*_BEGIN, *((ms, typed("vendor", status="ok") + data) for ms, data in _TEXTS), _END]),
    Case("overloaded in the middle", [*_BEGIN, *_TEXTS[:9], at(400.0, typed(
        "error", error={"type": "overloaded_error", "message": "Overloaded"}))], code="overloaded"),
    Case("an error in the middle", [*_BEGIN, *_TEXTS[:9], at(400.0, typed(
        "error", error={"type": "api_error", "message": "Internal server error"}))],
        code="server_error", says="Internal server error"),
    Case("a refusal", [*_BEGIN, *_TEXTS, at(582.0, _STOP, _reason("refusal"), _OVER)], code="filtered"),
    Case("a reason of null", [*_BEGIN, *_TEXTS, at(582.0, _STOP, _reason(None), _OVER)], code="truncated"),
    Case("no end", [*_BEGIN, *_TEXTS, at(582.0, _STOP)], code="truncated"),
    Case("cut", [*_BEGIN, *_TEXTS[:9]], code="truncated", end="cut"),
]  # fmt: skip

# -- Ollama


def _line(done: bool = False, **message: str) -> bytes:
    said = {"role": "assistant", "content": "", **message}
    last = (
        {"done_reason": "stop", "prompt_eval_count": 7, "eval_count": 20, "eval_duration": 9} if done else {}
    )
    return json.dumps({"model": "m", "message": said, "done": done, **last}).encode() + b"\n"


_LINES = timed([_line(content=word) for word in WORDS])
_DONE = at(581.0, _line(done=True))
_PIECES = [piece for ms, data in _LINES for piece in ((ms - 9.0, data[:30]), (ms, data[30:]))]

OLLAMA_CASES = [
    Case("a reply", [*_LINES, _DONE], head=LINES_HEAD),
    Case("the end late", [*_LINES, (580.0 + LATE_MS, _DONE[1])], head=LINES_HEAD),
    Case("the first ten lines in one write", [*burst(_LINES), _DONE], truth=AT_ONCE, head=LINES_HEAD),
    Case("each line in two writes", [*_PIECES, _DONE], head=LINES_HEAD),
    Case("thinking", [*timed([_line(thinking=w) for w in WORDS[:10]] + [_line(content=w) for w in WORDS[10:]]), _DONE],
         truth=THOUGHT, head=LINES_HEAD),
    Case("an error in the middle", [*_LINES[:9], at(400.0, b'{"error":"the runner has stopped"}\n')],
         code="in_band_error", says="the runner has stopped", head=LINES_HEAD),
    Case("no end", list(_LINES), code="truncated", head=LINES_HEAD),
    Case("cut within a line", [*_LINES[:9], (381.0, _LINES[9][1][:20])], code="truncated", head=LINES_HEAD),
    Case("server-sent events", [(200.0, b"data: " + _line(content="a") + b"\n")], code="bad_wire",
         says="server-sent events", head=LINES_HEAD),
]  # fmt: skip
