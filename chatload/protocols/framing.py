"""Splits the reads of one HTTP body into events: server-sent events (framed by sseclient-py) or NUL-ended frames.

`reads` are the pieces of the body without HTTP chunking, in order. They may come from a generator that blocks on a live
stream, so an event is handed out before the next read is asked for. `Event.read` is the index (from 0) of the read that
completed the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from sseclient import SSEClient

from chatload.model.errors import TurnError, WireError
from chatload.protocols.body_reads import BodyReads, reads_of

MAX_EVENT_BYTES, MAX_WIDE_EVENT_BYTES = 6 * 1024 * 1024, 1536 * 1024
MAX_EVENT_LINES = 1000
"""Limits of one event, which is kept until its end. Text that is not ASCII takes 4 bytes a character in memory."""
TOO_LONG_AN_EVENT = f"an event of more than {MAX_EVENT_BYTES} bytes or {MAX_EVENT_LINES} lines"

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: the index of the read that completed it, and its data without the framing."""

    read: int
    data: str


class Frame(NamedTuple):
    """One NUL-ended frame: the index of the read that completed it, and its bytes without the NUL."""

    read: int
    data: bytes


def sse_events(reads: Iterable[bytes]) -> Iterator[Event]:
    """The events of a server-sent event stream; comments and events without data do not appear.

    A body that ends in the middle of an event raises TurnError "truncated" after the last whole event.
    """
    source = _WholeEvents(reads_of(reads))
    groups = iter(source)
    for group in groups:
        plain = _plain_data(group)
        if plain is None:
            source.reads.between = False
            yield from _by_sseclient(source, chain((group,), groups))
            break
        *others, last = plain
        for data in others:
            yield Event(source.read, data)
        source.reads.between = not source.holds
        yield Event(source.read, last)
        source.reads.between = False
    source.refuse_tail()


def sse_events_by_sseclient(reads: Iterable[bytes]) -> Iterator[Event]:
    """`sse_events` by sseclient-py alone, without the fast path."""
    source = _WholeEvents(reads_of(reads))
    yield from _by_sseclient(source, iter(source))
    source.refuse_tail()


def nul_frames(reads: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of a body that ends each one with a NUL byte (vLLM 0.1.2's POST /generate).

    Anything but blanks after the last NUL raises TurnError "truncated".
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


def _by_sseclient(source: _WholeEvents, groups: Iterator[bytes]) -> Iterator[Event]:
    try:
        for event in SSEClient(groups).events():
            yield Event(source.read, event.data)
    except UnicodeDecodeError as error:
        raise WireError("bytes that are not UTF-8", error.object) from error


def _plain_data(group: bytes) -> list[str] | None:
    """The data of whole events of one `data:` line each; None where sseclient-py has to read them."""
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


class _WholeEvents:
    """Iterates over pieces of whole events with LF line ends; keeps the unfinished rest.

    sseclient-py dispatches an unfinished event when its input ends, so it must not get the rest. `read` is the index of
    the last read; `holds` is True while there is a rest.
    """

    def __init__(self, reads: BodyReads) -> None:
        self.reads = reads
        self.read = -1
        self.holds = False
        self._held: list[bytes] = []
        self._any = False

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
                self._any = True
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
                self._any = True
                self.holds = after_cr or end < len(text)
                yield text[:end]
                text = text[end:]
                self._held, size, lines = [text], len(text), text.count(b"\n")
                line_ended = text.endswith(b"\n")
            if size > MAX_EVENT_BYTES or lines > MAX_EVENT_LINES:
                raise WireError(TOO_LONG_AN_EVENT)

    def _without_bom(self) -> Iterator[bytes]:
        """The reads without a BOM at the start, which may be split over reads."""
        start = b""
        for piece in self.reads:
            self.read = self.reads.taken - 1
            start += piece
            if len(start) >= len(_BOM) or not _BOM.startswith(start):
                return chain((start.removeprefix(_BOM),), self.reads)
        return iter((start,) if start else ())

    def _tail(self) -> bytes:
        return b"".join(self._held)

    def refuse_tail(self) -> None:
        """Raise an error if the body ended inside an event; blank lines and whole comments may be left over."""
        *lines, last = self._tail().split(b"\n")
        if not last.strip() and all(not line.strip() or line.startswith(b":") for line in lines):
            return
        tail = self._tail().strip()
        if not self._any and tail.startswith((b"{", b"[", b"<")):
            raise WireError("the body is no event stream", tail)
        raise TurnError("truncated", f"the body ended inside an event: {tail[:80]!r}")
