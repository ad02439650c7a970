"""Chat replies whose counts or bursts make a client think that the server is faster, or slower, than it is."""

from __future__ import annotations

from lab.truth_table.case import (
    DONE,
    FINISH,
    ROLE,
    TAIL,
    TIMES,
    WORDS,
    Case,
    Step,
    Truth,
    chunk,
    event,
    tokens,
)


def counts(completion: int, **more: object) -> dict[str, object]:
    """A usage of so many tokens."""
    return {"prompt_tokens": 7, "completion_tokens": completion, "total_tokens": 7 + completion, **more}


def used(completion: int, **more: object) -> Step:
    """The event with the usage."""
    return (631.0, event(chunk(None) | {"usage": counts(completion, **more)}))


def each(usage: list[int]) -> list[Step]:
    """A token an event, each with a usage."""
    return [
        (at, event(chunk({"content": word}) | {"usage": counts(count)}))
        for at, word, count in zip(TIMES, WORDS, usage, strict=True)
    ]


THOUGHT = [*tokens("reasoning_content")[:10], *tokens()[10:]]
BURST = (380.0, b"".join(data for _, data in tokens()[:10]))
TEN = (380.0, event(chunk({"content": "".join(WORDS[:10])})))
LATE = [(1581.0, event(chunk({}, "stop", usage=20))), (1582.0, event("[DONE]"))]

COUNT_CASES = [
    Case(
        "usage counts hidden reasoning",
        [ROLE, *tokens(), FINISH, used(100, completion_tokens_details={"reasoning_tokens": 80}), DONE],
    ),
    Case(
        "usage leaves shown reasoning out",
        [ROLE, *THOUGHT, FINISH, used(10, completion_tokens_details={"reasoning_tokens": 10}), DONE],
        truth=Truth(ttfa_ms=400.0),
    ),
    Case("usage of 0 at the end", [ROLE, *tokens(), FINISH, used(0), DONE]),
    Case("usage of 0 in every event", [ROLE, *each([0] * 20), FINISH, used(0), DONE]),
    Case("usage of 1 in every event", [ROLE, *each([1] * 20), FINISH, DONE]),
    Case("usage of a million", [ROLE, *tokens(), FINISH, used(1_000_000), DONE]),
    Case("running count in every event", [ROLE, *each([*range(1, 21)]), FINISH, used(20), DONE]),
    Case("finish and usage a second late", [ROLE, *tokens(), *LATE]),
    Case(
        "the first ten events in one write",
        [ROLE, BURST, *tokens()[10:], *TAIL],
        truth=Truth(ttft_ms=380.0, ttfa_ms=380.0),
    ),
    Case(
        "the first event holds ten tokens",
        [ROLE, TEN, *tokens()[10:], *TAIL],
        truth=Truth(ttft_ms=380.0, ttfa_ms=380.0, estimated=True),
    ),
]
