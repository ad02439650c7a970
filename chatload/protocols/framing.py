"""Splits the reads of one HTTP body into events: server-sent events (framed by sseclient-py) or NUL-ended frames.

`reads` are the pieces of the body without HTTP chunking, in order. They may come from a generator that blocks on a live
stream, so an event is yielded before the next read is requested. `Event.read` is the index (from 0) of the read that
completed the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import orjson
from sseclient import SSEClient

from chatload.model.errors import TurnError, WireError
from chatload.protocols.body_reads import BodyReads, reads_of
from chatload.protocols.event_data import SINGLE_LINE_ENDS, is_object
from chatload.protocols.server_errors import MOST_JSON_BYTES, error_in, error_of_text

MAX_EVENT_BYTES, MAX_WIDE_EVENT_BYTES = 6 * 1024 * 1024, 1536 * 1024
MAX_EVENT_LINES = 1000
"""Limits of one event, which is buffered until its end. Text that is not ASCII takes 4 bytes per character."""
TOO_LONG_AN_EVENT = f"an event of more than {MAX_EVENT_BYTES} bytes or {MAX_EVENT_LINES} lines"

NO_EVENT_STREAM = "the body is no event stream"
WHOLE_ANSWER = (
    f'{NO_EVENT_STREAM} but a whole answer: the server, or something before it, ignores "stream": true'
)
_ANSWERS = ("choices", "generated_text", "output", "content", "message", "response", "text")
"""An answer that is not streamed has one of these keys."""

_BOM = b"\xef\xbb\xbf"
_NO_EVENTS = (b"{", b"[", b"<")
_JSON_LINE = re.compile(rb"(?:\A|\n)(?:error: ?)?(?=\{)")
"""JSON outside of events, or after llama.cpp's `error:`."""
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_PINGS = ("ping", "heartbeat", "keepalive", "keep-alive")
"""Names of keep-alive events, whose data means nothing (sse-starlette sends the time)."""


class Event(NamedTuple):
    """One event: the index of the read that completed it, and its data without the framing."""

    read: int
    data: str


class Frame(NamedTuple):
    """One NUL-ended frame: the index of the read that completed it, and its bytes without the NUL."""

    read: int
    data: bytes


def sse_events(reads: Iterable[bytes]) -> Iterator[Event]:
    """The events of a server-sent event stream, without comments and events without data.

    A last event without its blank line counts if its data is whole. A body that ends inside an event raises TurnError
    "truncated" after the last whole event; `event: error`, and an error as JSON outside of events, raise ServerError.
    """
    source = _WholeEvents(reads_of(reads))
    groups = iter(source)
    last = None
    for group in groups:
        plain = _plain_data(group)
        if plain is None:
            typed = _typed_data(group)
            if typed is not None:
                for last in typed:
                    yield Event(source.read, last)
                continue
            source.reads.between = False
            yield from _by_sseclient(source, chain((group,), groups), begun=last is not None)
            break
        *others, last = plain
        for data in others:
            yield Event(source.read, data)
        source.reads.between = not source.holds
        yield Event(source.read, last)
        source.reads.between = False
    yield from _last_event(source)


def sse_events_by_sseclient(reads: Iterable[bytes]) -> Iterator[Event]:
    """`sse_events` by sseclient-py alone, without the fast path."""
    source = _WholeEvents(reads_of(reads))
    yield from _by_sseclient(source, iter(source))
    yield from _last_event(source)


def nul_frames(reads: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of a body that ends each one with a NUL byte (vLLM 0.1.2's POST /generate).

    Anything but whitespace after the last NUL raises TurnError "truncated".
    """
    held: list[bytes] = []
    size = 0
    for index, piece in enumerate(reads):
        held.append(piece)
        size += len(piece)
        if b"\0" in piece:
            *frames, tail = b"".join(held).split(b"\0")
            for frame in frames:
                yield Frame(index, frame)
            held, size = [tail], len(tail)
        if size > MAX_EVENT_BYTES:
            raise WireError(f"a frame of more than {MAX_EVENT_BYTES} bytes")
    tail = b"".join(held)
    if tail.strip():
        raise TurnError("truncated", f"the body ended inside a frame: {tail[:80]!r}")


def _by_sseclient(source: _WholeEvents, groups: Iterator[bytes], *, begun: bool = False) -> Iterator[Event]:
    """The events of `groups`, by sseclient-py; `begun`: they do not start the body."""
    try:
        for event in SSEClient(_events_only(source, groups, begun)).events():
            kind = event.event.lower()
            if kind == "error":
                raise error_of_text(event.data)
            if kind in _PINGS:
                continue
            yield Event(source.read, event.data)
    except UnicodeDecodeError as error:
        raise WireError("bytes that are not UTF-8", error.object) from error


def _events_only(source: _WholeEvents, groups: Iterator[bytes], begun: bool) -> Iterator[bytes]:
    """The groups, up to an error as JSON outside of events, which is raised: SSE ignores such lines.

    Raises WireError for a body that begins with JSON or HTML: it is no event stream.
    """
    for group in groups:
        if not begun and group.lstrip().startswith(_NO_EVENTS):
            raise _no_event_stream(chain((group,), groups), source)
        begun = True
        for found in _JSON_LINE.finditer(group):
            error = error_in(group[found.end() :])
            if error is not None:
                yield group[: found.end()]
                raise error
        yield group


def _no_event_stream(groups: Iterator[bytes], source: _WholeEvents) -> TurnError:
    """The failure of a body that is JSON or HTML: the error in it, if there is one."""
    body = b""
    for group in groups:
        body += group
        if len(body) > MOST_JSON_BYTES:
            break
    else:
        body += source.tail()
    if (error := error_in(body)) is not None:
        return error
    return WireError(WHOLE_ANSWER) if _is_whole_answer(body) else WireError(NO_EVENT_STREAM, body.strip())


def _is_whole_answer(body: bytes) -> bool:
    """Whether a body is the JSON of an answer that was not streamed."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    content = content[0] if isinstance(content, list) and content else content
    return isinstance(content, dict) and any(content.get(key) for key in _ANSWERS)


def _last_event(source: _WholeEvents) -> Iterator[Event]:
    """The event after the last blank line of the body, if its data is whole; comments are ignored.

    Raises ServerError for an error, WireError for a body that is no event stream, TurnError "truncated" for an
    unfinished event.
    """
    tail = source.tail()
    if not tail:
        return
    lines = [line for line in tail.split(b"\n") if line.strip() and not line.startswith(b":")]
    if not lines:
        return
    data = [_value(line) for line in lines if line.startswith(b"data:")]
    if b"error" in [_value(line) for line in lines if line.startswith(b"event:")] and data:
        raise error_of_text(b"\n".join(data).decode("utf-8", "replace"))
    if is_object(b"\n".join(data)):
        yield Event(source.read, b"\n".join(data).decode())
        return
    if data == [b"[DONE]"]:
        return
    if len(data) > 1 and all(map(is_object, data[:-1])):
        raise WireError(SINGLE_LINE_ENDS)
    if not data:
        error = next(filter(None, (error_in(tail[at.end() :]) for at in _JSON_LINE.finditer(tail))), None)
        if error is not None:
            raise error
        start = tail.lstrip()
        if not source.any and not any(start.startswith(one) or one.startswith(start) for one in _FIELDS):
            raise _no_event_stream(iter(()), source)
    raise TurnError("truncated", f"the body ended inside an event: {tail.strip()[:80]!r}")


def _value(line: bytes) -> bytes:
    """The value of a field."""
    return line.partition(b":")[2].removeprefix(b" ")


def _plain_data(group: bytes) -> list[str] | None:
    """The data of whole events of one `data:` line each; None if sseclient-py must parse them."""
    blocks = group[:-2].split(b"\n\n")
    if group.count(b"\n") != 2 * len(blocks):
        return None
    found = []
    for block in blocks:
        if not block.startswith(b"data:"):
            return None
        try:
            found.append(block[6 if block.startswith(b"data: ") else 5 :].decode())
        except UnicodeDecodeError:
            return None
    return found


def _typed_data(group: bytes) -> list[str] | None:
    """The data of whole events of an `event:` and a `data:` line each, without pings; None for others and errors."""
    found = []
    for block in group[:-2].split(b"\n\n"):
        named, line_end, line = block.partition(b"\n")
        if not line_end or not named.startswith(b"event:") or not line.startswith(b"data:") or b"\n" in line:
            return None
        try:
            kind = named[6:].strip().decode().lower()
            if kind == "error":
                return None
            if kind not in _PINGS:
                found.append(line[6 if line.startswith(b"data: ") else 5 :].decode())
        except UnicodeDecodeError:
            return None
    return found


class _WholeEvents:
    """Iterates over groups of whole events with LF line ends; keeps the unfinished rest.

    sseclient-py dispatches an unfinished event when its input ends, so it must not get the rest. `read` is the index of
    the last read; `holds` is True while there is a rest; `any` is True once events were yielded.
    """

    def __init__(self, reads: BodyReads) -> None:
        self.reads = reads
        self.read = -1
        self.holds = False
        self._held: list[bytes] = []
        self.any = False

    def __iter__(self) -> Iterator[bytes]:
        size = lines = 0
        after_cr = line_ended = False
        for piece in self._without_bom():
            self.read = self.reads.taken - 1
            if after_cr and piece:
                piece = piece.removeprefix(b"\n")  # the other half of a CRLF; the CR ended the line
                after_cr = False
            if b"\r" in piece:
                after_cr = piece.endswith(b"\r")
                piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if not size and piece.endswith(b"\n\n"):  # the usual case: whole events, no rest
                self.any = True
                self.holds = after_cr
                yield piece
                continue
            self.holds = True
            ends_in_it = b"\n\n" in piece or (line_ended and piece.startswith(b"\n"))
            self._held.append(piece)
            size += len(piece)
            lines += piece.count(b"\n")
            line_ended = piece.endswith(b"\n") or (line_ended and not piece)
            if ends_in_it:  # joining at each piece would take quadratic time
                text = b"".join(self._held)
                end = text.rfind(b"\n\n") + 2
                if end > MAX_WIDE_EVENT_BYTES and not text.isascii():
                    raise WireError(TOO_LONG_AN_EVENT)
                self.any = True
                self.holds = after_cr or end < len(text)
                yield text[:end]
                text = text[end:]
                self._held, size, lines = [text], len(text), text.count(b"\n")
                line_ended = text.endswith(b"\n")
            if size > MAX_EVENT_BYTES or lines > MAX_EVENT_LINES:
                raise WireError(TOO_LONG_AN_EVENT)

    def _without_bom(self) -> Iterator[bytes]:
        """The reads without a BOM at the start of the body, which may be split over reads."""
        start = b""
        for piece in self.reads:
            self.read = self.reads.taken - 1
            start += piece
            if len(start) >= len(_BOM) or not _BOM.startswith(start):
                return chain((start.removeprefix(_BOM),), self.reads)
        return iter((start,) if start else ())

    def tail(self) -> bytes:
        """The bytes after the last blank line so far."""
        return b"".join(self._held)
