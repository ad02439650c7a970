"""The short cut for events that are alike but for their text, held to the full decoding."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from chatload.errors import TurnError
from chatload.turn import Delta, TurnRequest
from chatload.wire import openai
from chatload.wire.repeated import VAIN_TRIES, Repeated


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


def outcome(parts: list[str]) -> tuple[list[Delta], str | None]:
    found: list[Delta] = []
    try:
        found.extend(openai.deltas([f"data: {part}\n\n".encode() for part in parts], TurnRequest(())))
    except TurnError as error:
        return found, str(error)
    return found, None


@given(st.lists(EVENTS, max_size=12), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_the_short_cut_changes_nothing(events: list[dict[str, Any]], commas: Any, ascii_only: bool) -> None:
    """Invariant: with and without it, the same deltas and the same failure."""
    parts = [
        json.dumps(e, separators=commas, ensure_ascii=ascii_only).encode("utf-8", "replace").decode()
        for e in events
    ]
    taken = outcome(parts)
    learn, Repeated.learn = Repeated.learn, lambda *_: None  # type: ignore[method-assign]
    try:
        assert outcome(parts) == taken
    finally:
        Repeated.learn = learn  # type: ignore[method-assign]


def full(data: str) -> Delta:
    return openai._delta(data)


def written(text: str, **more: Any) -> str:
    return orjson.dumps(event(text, **more)).decode()


def test_an_event_like_the_last_one_is_told_without_its_json() -> None:
    repeated = Repeated(full)
    repeated.learn(written("There"), full(written("There")))
    assert repeated.delta(7, written(" was")) == full(written(" was"))._replace(read=7)
    assert repeated.delta(7, written("")) == Delta(7, reply_id="r1")


def test_escapes_and_controls_are_left_to_the_full_decoding() -> None:
    repeated = Repeated(full)
    repeated.learn(written("There"), full(written("There")))
    for text in ('"', "\\", "\n", "\x7f", '","finish_reason":"stop'):
        assert repeated.delta(0, written(text)) is None
    assert repeated.delta(0, written("x").replace("x", "\t")) is None, "a raw tab is no JSON"
    assert repeated.delta(0, written("x", created=2)) is None


def test_the_place_is_proven() -> None:
    """A text that also stands elsewhere must not be mistaken for its place."""
    repeated = Repeated(full)
    for text in ("id", "choices", "index", "r1", ":", ",", "content"):
        repeated._tries = 0
        repeated.learn(written(text), full(written(text)))
        found = repeated.delta(0, written("other"))
        assert found is None or found == full(written("other"))


def test_a_server_whose_events_always_differ_is_soon_left_alone() -> None:
    calls = 0

    def counted(data: str) -> Delta:
        nonlocal calls
        calls += 1
        return full(data)

    repeated = Repeated(counted)
    for number in range(100):
        data = written("x", created=number)
        assert repeated.delta(0, data) is None
        repeated.learn(data, full(data))
    assert calls <= VAIN_TRIES
