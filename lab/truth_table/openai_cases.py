"""Chat replies in the usual forms, each with one thing that clients get wrong."""

from __future__ import annotations

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
    error_head,
    event,
    tokens,
)


def grouped(size: int) -> list[Step]:
    return [(TIMES[i], event(chunk({"content": "".join(WORDS[i : i + size])}))) for i in range(0, 20, size)]


def bytewise(steps: Sequence[Step]) -> list[Step]:
    """The same events, each sent as single bytes within one millisecond."""
    return [(at, bytes([byte])) for at, data in steps for byte in data]


OPENAI_CASES = [
    Case("role event first", [ROLE, *tokens(), *TAIL]),
    Case(
        "reasoning before content",
        [ROLE, *tokens("reasoning_content")[:10], *tokens()[10:], *TAIL],
        truth=Truth(ttfa_ms=400.0),
    ),
    Case("4 tokens an event", [ROLE, *grouped(4), *TAIL], truth=Truth(e2e_ms=520.0, estimated=True)),
    Case(
        "2 s gap in the middle",
        [
            ROLE,
            *tokens()[:10],
            *[(at + 2000, data) for at, data in tokens()[10:]],
            *[(a + 2000, d) for a, d in TAIL],
        ],
        truth=Truth(e2e_ms=2580.0, tpot_ms=2380 / 19),
    ),
    Case(
        "error then [DONE] under 200",
        [
            ROLE,
            *tokens()[:5],
            (300.0, event({"error": {"message": "engine died", "code": 500}})),
            (301.0, event("[DONE]")),
        ],
        code="server_error",
    ),
    Case("clean close without an end mark", [ROLE, *tokens()[:5]], code="truncated"),
    Case("[DONE] alone is no end mark", [ROLE, *tokens()[:5], (300.0, event("[DONE]"))], code="truncated"),
    Case("TCP reset", [ROLE, *tokens()[:5]], code="truncated", end="reset"),
    Case("no last HTTP chunk", [ROLE, *tokens(), *TAIL], code="truncated", end="cut"),
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
        truth=Truth(e2e_ms=560.0),
    ),
    Case("finish_reason but no [DONE]", [ROLE, *tokens(), FINISH, USAGE]),
    Case("an event with empty content", [ROLE, (100.0, event(chunk({"content": ""}))), *tokens(), *TAIL]),
    Case(
        "finish_reason abort",
        [ROLE, *tokens()[:5], (300.0, event(chunk({}, "abort"))), (301.0, event("[DONE]"))],
        code="aborted",
    ),
    Case("429", [], code="http_429", head=error_head("429 Too Many Requests", b"slow down"), chunked=False),
    Case("503", [], code="http_5xx", head=error_head("503 Service Unavailable", b"busy"), chunked=False),
    Case("broken JSON", [ROLE, (200.0, b'data: {"choices": [\n\n')], code="bad_wire"),
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
        truth=Truth(e2e_ms=520.0),
    ),
]
