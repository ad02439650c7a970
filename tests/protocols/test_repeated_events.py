"""The short cut for events that are alike but for their text, held to the full decoding."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.model.errors import TurnError
from chatload.model.turn import Delta, TextDeltas, TurnRequest
from chatload.protocols.body_reads import BodyReads
from chatload.protocols.dialects import openai
from chatload.protocols.repeated_events import MOST_FAILED_TRIES, RepeatedEvents


def event(text: Any, key: str = "content", **more: Any) -> dict[str, Any]:
    delta = {key: text}
    return {"id": "r1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}


TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            "a",
            "id",
            "choices",
            ":",
            ",",
            '"',
            "\\",
            "\\n",
            "content",
            "\u2028",
            "\x7f",
            "é",
            "🙂",
            "probe",
        ]
    ),
    st.text(max_size=5),
)
EVENTS = st.builds(
    event,
    st.one_of(TEXTS, st.none(), st.integers()),
    st.sampled_from(["content", "content", "reasoning", "reasoning_content", "role"]),
    created=st.sampled_from([1, 1, 1, 2]),
    usage=st.sampled_from([None, None, None, {"completion_tokens": 3}]),
)
COUNTS = st.sampled_from([1, 2, 3, 3, 4, 9, 10, 11])
COUNTING = st.builds(
    lambda text, made, more, last: event(
        text, usage={"prompt_tokens": 7, "total_tokens": made + more, "completion_tokens": made, "x": None}
    ) if last else event(text, usage={"completion_tokens": made, "prompt_tokens": 7, "total_tokens": made + more}),
    TEXTS, COUNTS, st.sampled_from([7, 7, 7, 8]), st.booleans(),
)  # fmt: skip
WITH_IDS = st.builds(
    lambda text, ids: {
        "id": "r1", "choices": [{"index": 0, "delta": {"content": text}, "output_ids": ids, "finish_reason": None}]
    },
    TEXTS, st.one_of(st.none(), st.lists(st.sampled_from([0, 7, 12, 31999, -1, 1.5, "1,2"]), max_size=3)),
)  # fmt: skip


def outcome(parts: list[str], at_once: int) -> tuple[list[Delta], str | None]:
    """The deltas of events, one a read, of which `at_once` are there at a time; and how it ended."""
    found: list[Delta] = []
    pieces = [f"data: {part}\n\n".encode() for part in parts]
    batches = [pieces[at : at + at_once] for at in range(0, len(pieces), at_once)]
    try:
        for delta in openai.deltas(BodyReads(batches), TurnRequest(())):
            found.extend(delta.deltas() if isinstance(delta, TextDeltas) else [delta])
    except TurnError as error:
        return found, str(error)
    return found, None


@given(
    st.one_of(
        st.lists(EVENTS, max_size=12),
        st.lists(COUNTING, max_size=12),
        st.lists(WITH_IDS, max_size=12),
        st.lists(TEXTS, max_size=12).map(
            lambda texts: [
                event(text, usage={"prompt_tokens": 7, "total_tokens": 8 + i, "completion_tokens": 1 + i})
                for i, text in enumerate(texts)
            ]
        ),
    ),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.booleans(),
    st.sampled_from([1, 3, 12]),
)
def test_the_short_cut_changes_nothing(
    events: list[dict[str, Any]], commas: Any, ascii_only: bool, at_once: int
) -> None:
    """Invariant: with and without it, the same deltas and the same failure."""
    parts = [
        json.dumps(e, separators=commas, ensure_ascii=ascii_only).encode("utf-8", "replace").decode()
        for e in events
    ]
    taken = outcome(parts, at_once)
    learn, RepeatedEvents.learn = RepeatedEvents.learn, lambda *_: None  # type: ignore[method-assign]
    try:
        assert outcome(parts, 1) == taken
    finally:
        RepeatedEvents.learn = learn  # type: ignore[method-assign]


@pytest.mark.parametrize("held", [b"data: x\n", b"event: error\ndata: ", b": ping\ndata"])
def test_a_read_that_continues_an_event_is_no_event_of_its_own(held: bytes) -> None:
    """However alike it looks: with what was held back before it, it says something else, or is broken."""
    alike = [f"data: {written(text)}\n\n".encode() for text in ("There", " was", " once")]
    found: list[Delta] = []
    with suppress(TurnError):
        for delta in openai.deltas(BodyReads([[alike[0], alike[1] + held, alike[2]]]), TurnRequest(())):
            found.extend(delta.deltas() if isinstance(delta, TextDeltas) else [delta])
    assert [delta.text for delta in found] == ["There", " was"]


def full(data: str) -> Delta:
    return openai._delta(data)


def written(text: str, **more: Any) -> str:
    return orjson.dumps(event(text, **more)).decode()


def taken(repeated: RepeatedEvents, *data: str) -> list[Delta]:
    reads = BodyReads([[f"data: {each}\n\n".encode() for each in data]])
    run = repeated.take(reads)
    assert reads.taken == (len(run.texts) if run else 0)
    return run.deltas() if run else []


def learned(text: str) -> RepeatedEvents:
    repeated = RepeatedEvents(full)
    repeated.learn(written(text), full(written(text)))
    return repeated


def test_events_like_the_last_one_are_told_without_their_json() -> None:
    found = taken(learned("There"), written(" was"), written(" é"), written(""), written("a"))
    assert found == [full(written(" was")), full(written(" é"))._replace(read=1)], "an empty text is none"


def test_escapes_and_controls_are_left_to_the_full_decoding() -> None:
    repeated = learned("There")
    for text in ('"', "\\", "\n", "\x7f", '","finish_reason":"stop'):
        assert taken(repeated, written("x"), written(text), written("x")) == [full(written("x"))]
    assert taken(repeated, written("x").replace("x", "\t")) == [], "a raw tab is no JSON"
    assert taken(repeated, written("x", created=2)) == []


def test_a_character_cut_in_two_is_no_text() -> None:
    repeated = learned("There")
    before, after = written("é").encode().split("é".encode())
    reads = BodyReads([[b"data: " + before + half + after + b"\n\n" for half in (b"\xc3", b"\xa9")]])
    assert repeated.take(reads) is None


def test_the_place_is_proven() -> None:
    """A text that also stands elsewhere must not be mistaken for its place."""
    for text in ("id", "choices", "index", "r1", ":", ",", "content"):
        assert taken(learned(text), written("other")) in ([], [full(written("other"))])


def test_a_server_whose_events_always_differ_is_soon_left_alone() -> None:
    calls = 0

    def counted(data: str) -> Delta:
        nonlocal calls
        calls += 1
        return full(data)

    repeated = RepeatedEvents(counted)
    for number in range(100):
        data = written("x", created=number)
        assert taken(repeated, data) == []
        repeated.learn(data, full(data))
    assert calls <= MOST_FAILED_TRIES


@pytest.mark.parametrize("counts", [(5, 6, 2, 3), (5, 6, 7, 2, 3), (9, 10, 11, 11, 14, 12, 13), (1, 2, 3, 4)])
@pytest.mark.parametrize("at_once", [1, 2, 12])
def test_a_running_count_that_falls_is_no_count(counts: tuple[int, ...], at_once: int) -> None:
    parts = [
        written(" w", usage={"prompt_tokens": 7, "total_tokens": 7 + n, "completion_tokens": n})
        for n in counts
    ]
    found, problem = outcome(parts, at_once)
    falls = next((i for i, (one, two) in enumerate(pairwise(counts), 1) if two < one), len(counts))
    steps = [counts[0], *(two - one for one, two in pairwise(counts[:falls]))]
    assert problem is None
    assert [delta.tokens for delta in found] == [*steps, *[None] * (len(counts) - falls)]
    assert [delta.usage.completion_tokens for delta in found if delta.usage] == list(counts)


def test_events_with_counts_are_told_without_their_json() -> None:
    """Not only the ones that count one more than the last."""
    decoded = []

    def decode(data: str) -> Delta:
        decoded.append(data)
        return full(data)

    repeated = RepeatedEvents(decode)
    parts = [
        written(" w", usage={"prompt_tokens": 7, "total_tokens": 7 + n, "completion_tokens": n})
        for n in (1, 2, 3, 7, 8)
    ]
    repeated.learn(parts[0], full(parts[0]))
    learning = len(decoded)
    row = repeated.take(BodyReads([[f"data: {each}\n\n".encode() for each in parts[1:]]]))
    assert row is not None
    assert (row.running, row.usage and row.usage.completion_tokens) == ([2, 3, 7, 8], 8)
    assert len(decoded) == learning
