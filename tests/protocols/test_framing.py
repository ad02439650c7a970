"""SSE and NUL framing: the short cut equals sseclient-py, both equal the standard, and nothing waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatload.model.errors import TurnError, WireError
from chatload.protocols.framing import (
    MAX_EVENT_BYTES,
    MAX_EVENT_LINES,
    nul_frames,
    sse_events,
    sse_events_by_sseclient,
)
from tests.long import size

from .feeding import cut, one_by_one

Framer = Callable[[Iterable[bytes]], Iterator[tuple[int, Any]]]


def _all(framer: Framer, reads: Iterable[bytes]) -> tuple[list[tuple[int, Any]], str | None]:
    found: list[tuple[int, Any]] = []
    try:
        for read, data in framer(reads):
            found.append((read, data))
    except TurnError as error:
        return found, error.code
    return found, None


def _by_the_standard(body: bytes) -> list[str]:
    """The data of a stream's events, written down from the HTML standard's "Interpreting an event stream"."""
    text = body.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found: list[str] = []
    lines: list[str] = []
    for line in text.split("\n")[:-1]:
        if line == "":
            if lines:
                found.append("\n".join(lines))
            lines = []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            if field == "data":
                lines.append(value.removeprefix(" "))
    return found


PLAIN_EVENT = st.builds(
    lambda space, data: f"data:{space}{data}\n\n".encode(),
    st.sampled_from(["", " "]),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12),
)
LINE = st.sampled_from(
    [
        "data: a",
        "data:b",
        "data:  c",
        "data",
        "data:",
        ": ping",
        ":",
        "event: x",
        "id: 7",
        "foo: bar",
        "data: é🌊",
        "data: [DONE]",
        "  ",
        "\ufeffdata: x",
        "data: a\x0b\u2028b\x85",
        "",
    ]
)
END = st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n"])
ODD_PART = st.builds(lambda line, end: (line + end).encode(), LINE, END)
BAD = st.sampled_from([b"\xff", b"\xef\xbb\xbf", b"\xef\xbb", b"\xc3"])
ANY_PART = st.one_of(PLAIN_EVENT, PLAIN_EVENT, ODD_PART)


@st.composite
def fed(draw: st.DrawFn, part: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    body = b"".join(draw(st.lists(part, max_size=8)))
    at = draw(st.lists(st.integers(0, len(body)), max_size=8))
    return body, cut(body, at)


@settings(max_examples=size(400, 50), deadline=None)
@given(fed(st.one_of(ANY_PART, ANY_PART, BAD)))
def test_the_short_cut_and_sseclient_agree(body_and_reads: tuple[bytes, list[bytes]]) -> None:
    body, reads = body_and_reads
    for pieces in (reads, [body], one_by_one(body)):
        assert _all(sse_events, pieces) == _all(sse_events_by_sseclient, pieces)


@settings(max_examples=size(400, 50), deadline=None)
@given(fed(ANY_PART))
def test_events_are_those_of_the_standard(body_and_reads: tuple[bytes, list[bytes]]) -> None:
    body, reads = body_and_reads
    found, code = _all(sse_events, reads)
    assert [data for _, data in found] == _by_the_standard(body)
    assert code in (None, "truncated") or (code == "bad_wire" and not found)


@settings(max_examples=size(200, 40), deadline=None)
@given(fed(ANY_PART))
def test_the_read_is_the_one_that_completed_the_event(body_and_reads: tuple[bytes, list[bytes]]) -> None:
    _, reads = body_and_reads
    found, _ = _all(sse_events, reads)
    so_far = [len(_all(sse_events, reads[: n + 1])[0]) for n in range(len(reads))]
    for number, (read, _) in enumerate(found):
        assert so_far[read] > number
        assert read == 0 or so_far[read - 1] <= number


@settings(max_examples=size(200, 40), deadline=None)
@given(st.lists(st.binary(max_size=6).map(lambda b: b.replace(b"\0", b"")), max_size=6), st.data())
def test_nul_frames_survive_any_cut(frames: list[bytes], data: st.DataObject) -> None:
    body = b"".join(frame + b"\0" for frame in frames)
    at = data.draw(st.lists(st.integers(0, len(body)), max_size=6))
    found, code = _all(nul_frames, cut(body, at))
    assert ([frame for _, frame in found], code) == (frames, None)


class _Live:
    """A stream that counts what was pulled from it."""

    def __init__(self, reads: Sequence[bytes]) -> None:
        self.pulled = 0
        self._reads = reads

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._reads:
            self.pulled += 1
            yield piece


@pytest.mark.parametrize(
    ("framer", "end"),
    [
        (sse_events, b"\n\n"),
        (sse_events, b"\r\n\r\n"),
        (sse_events, b"\n: ping\n\n"),
        (sse_events_by_sseclient, b"\n\n"),
        (nul_frames, b"\0"),
    ],
)
def test_an_event_is_handed_out_before_the_next_read_is_pulled(framer: Framer, end: bytes) -> None:
    one = b"data: x" + end
    live = _Live([one, one[:3], one[3:], one + one, one])
    seen = [(read, live.pulled) for read, _ in framer(live)]
    assert seen == [(0, 1), (2, 3), (3, 4), (3, 4), (4, 5)]


def test_an_event_of_5_mb_in_64_kb_reads_takes_no_time() -> None:
    body = b'data: {"choices":[{"delta":{"content":"' + b"x" * 5_000_000 + b'"}}]}\n\n'
    reads = [body[i : i + 65536] for i in range(0, len(body), 65536)]
    started = time.process_time()
    found, code = _all(sse_events, reads)
    assert (len(found), code) == (1, None)
    assert found[0][0] == len(reads) - 1
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("framer", [sse_events, sse_events_by_sseclient, nul_frames])
def test_an_event_without_end_is_refused(framer: Framer) -> None:
    def reads() -> Iterator[bytes]:
        yield b"data: x"
        for _ in range(MAX_EVENT_BYTES // 2**20 + 1):
            yield b"y" * 2**20
        raise AssertionError("pulled on")

    with pytest.raises(WireError, match="bytes"):
        list(framer(reads()))


def test_an_event_of_too_many_lines_is_refused() -> None:
    with pytest.raises(WireError, match="lines"):
        list(sse_events([b"data: x\n"] * (MAX_EVENT_LINES + 2)))
