"""The short ways of usual events, usages and counts, held to the full ones over recorded replies and cases."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatload.engine.token_count import Part, Seen, count_tokens, usual_count
from chatload.model.errors import TurnError
from chatload.model.turn import Usage
from chatload.protocols.dialects.openai import full_delta, usual_delta, usual_end
from chatload.protocols.event_data import loaded
from chatload.protocols.http_chunks import one_chunk_a_read, whole_chunks
from chatload.protocols.usage_fields import full_usage, usual_usage
from tests.protocols.test_cases import CASES

CAPTURES = Path(__file__).parent.parent / "cases" / "captures"
LINES = [
    line
    for body in (
        *(path.read_bytes() for path in sorted(CAPTURES.glob("*.http"))),
        *(one.body for one in CASES),
    )
    for line in re.findall(rb"data: ?(\{.*\})\r?\n", body)
]


def events() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for line in dict.fromkeys(LINES):
        try:
            found.append((line.decode(), loaded(line.decode())))
        except (TurnError, UnicodeDecodeError):
            continue
    return found


def test_usual_events_and_usages_are_read_as_by_the_full_way() -> None:
    short = ends = usages = 0
    for data, event in events():
        delta, end = usual_delta(event, 3), usual_end(event, 3)
        for found in filter(None, (delta, end)):
            assert (found, False) == full_delta(event, data, 3)
        short += delta is not None
        ends += end is not None
        usage = event.get("usage")
        if isinstance(usage, dict) and (told := usual_usage(usage)) is not None:
            assert told == full_usage(usage)
            usages += 1
    assert short > 400
    assert ends > 10
    assert usages > 10


def test_events_beyond_the_usual_form_are_left_to_the_full_way() -> None:
    usual: dict[str, Any] = {
        "id": "r",
        "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
    }
    assert usual_delta(usual, 0) is not None
    (choice,) = usual["choices"]
    for other in (
        {**usual, "usage": {"completion_tokens": 1}},
        {**usual, "timings": {"predicted_n": 1}},
        {**usual, "x_groq": {}},
        {**usual, "choices": [choice, choice]},
        {**usual, "choices": [{**choice, "token_ids": [1]}]},
        {**usual, "choices": [{**choice, "logprobs": {"content": [1]}}]},
        {**usual, "choices": [{**choice, "delta": {"content": "a", "reasoning": "b"}}]},
        {**usual, "choices": [{**choice, "delta": {"content": ["a"]}}]},
    ):
        assert usual_delta(json.loads(json.dumps(other)), 0) is None
    end: dict[str, Any] = {"id": "r", "choices": [], "usage": {"completion_tokens": 1, "prompt_tokens": 2}}
    assert usual_end(end, 0) is not None
    for other in (
        {**end, "choices": None},
        {**end, "choices": [choice]},
        {**end, "id": None},
        {**end, "metrics": {"queue_time_ms": 1.0}},
        {**end, "finish_reason": "stop"},
        {**end, "usage": {**end["usage"], "reasoning_tokens": 1}},
    ):
        assert usual_end(json.loads(json.dumps(other)), 0) is None


COUNTS = st.one_of(st.none(), st.integers(-1, 140))


@given(
    st.builds(Usage, COUNTS, COUNTS, total_tokens=COUNTS, reasoning_tokens=COUNTS, rejected_tokens=COUNTS),
    st.integers(0, 110),
    st.integers(0, 4000),
    st.integers(0, 5),
    st.sampled_from([None, "stop", "length"]),
)
def test_the_usual_count_is_that_of_the_full_way(
    usage: Usage, events: int, more: int, first: int, finish: str | None
) -> None:
    characters = events + more if events else 0
    first = min(first, events)
    found = usual_count(usage, events, characters, (min(1, events), first), finish)
    seen = Seen(
        all=Part(events, characters),
        first_event=Part(min(1, events), 1),
        first_read=Part(first, first),
        usage=usage,
        most_bytes=characters,
        finish=finish,
    )
    assert found is None or found == count_tokens(seen)


def test_every_usage_beside_every_length_is_counted_alike() -> None:
    short = 0
    for events in (1, 2, 5, 30, 100):
        for characters in (events, 4 * events, 40 * events):
            for told in range(142):
                found = usual_count(Usage(told, 12), events, characters, (1, 1), "stop")
                part = Part(1, characters // events)
                seen = Seen(
                    all=Part(events, characters),
                    first_event=part,
                    first_read=part,
                    usage=Usage(told, 12),
                    most_bytes=characters,
                    finish="stop",
                )
                short += found is not None
                assert found is None or found == count_tokens(seen), (events, characters, told)
    assert short > 50


def test_chunks_of_many_reads_are_those_of_each() -> None:
    def chunk(size: int) -> bytes:
        return b"%x\r\n%b\r\n" % (size, b"x" * size)

    reads = [chunk(size) for size in (1, 2, 14, 15, 16, 17, 254, 255, 256, 257, 4095)]
    assert one_chunk_a_read(reads) == [whole_chunks(one) for one in reads]
    for bad in (b"", b"\r\n", b"5\r\nab\r\n", b"0\r\n\r\n", chunk(4096), chunk(9)[:-1] + b"x", b"x" * 21):
        assert one_chunk_a_read([*reads, bad]) == []
