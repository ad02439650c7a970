"""Splits the reads of one HTTP body into lines of JSON, the form of Ollama's own routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chatload.model.errors import TurnError, WireError
from chatload.protocols.event_data import is_object
from chatload.protocols.framing import MAX_EVENT_BYTES, Frame

NO_JSON_LINES = "the body is no stream of JSON lines"
EVENTS_INSTEAD = "server-sent events, where the route answers in lines of JSON"


def json_lines(reads: Iterable[bytes]) -> Iterator[Frame]:
    """The lines that are not blank, without their line ends.

    A last line without its line end counts if it is whole JSON; otherwise TurnError "truncated" is raised.
    """
    held: list[bytes] = []
    size = 0
    index = -1
    for index, piece in enumerate(reads):
        held.append(piece)
        size += len(piece)
        if b"\n" in piece:
            *lines, rest = b"".join(held).split(b"\n")
            for line in lines:
                if line := line.strip():
                    yield Frame(index, _checked(line))
            held, size = [rest], len(rest)
        if size > MAX_EVENT_BYTES:
            raise WireError(f"a line of more than {MAX_EVENT_BYTES} bytes")
    rest = b"".join(held).strip()
    if rest:
        if not is_object(_checked(rest)):
            raise TurnError("truncated", f"the body ended inside a line: {rest[:80]!r}")
        yield Frame(index, rest)


def _checked(line: bytes) -> bytes:
    """The line. Raises WireError if it does not begin like a JSON object."""
    if line[:1] != b"{":
        if line.startswith((b"data:", b"event:", b":")):
            raise WireError(EVENTS_INSTEAD)
        raise WireError(NO_JSON_LINES, line)
    return line
