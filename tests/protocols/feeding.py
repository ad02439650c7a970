"""Ways to feed a body to a dialect, and what comes out: the deltas, the read of each, and the failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

from chatload.model.errors import TurnError
from chatload.model.turn import Delta, Message, TextDeltas, TurnRequest, Usage
from chatload.protocols.registry import DIALECTS
from tests.long import LONG

REQUEST = TurnRequest(messages=(Message("user", "Once upon a time,"),), model="m")


@dataclass(frozen=True)
class Case:
    """One reply: its body, and what the wire must make of it. `fails` is the code it must end in."""

    name: str
    body: bytes
    text: str = ""
    reasoning: str = ""
    tool_text: str = ""
    deltas: int | None = None
    tokens: tuple[int | None, ...] | None = None
    finish: str | None = None
    usage: Usage | None = None
    reply_id: str | None = None
    fails: str | None = None
    says: str = ""
    dialect: str = "openai"


@dataclass(frozen=True)
class Outcome:
    """Everything a feeding gave, with the read indexes apart."""

    deltas: tuple[Delta, ...]
    reads: tuple[int, ...]
    failure: tuple[str, str] | None


def feed(dialect: str, reads: Iterable[bytes], request: TurnRequest = REQUEST) -> Outcome:
    found: list[Delta] = []
    failure = None
    try:
        for delta in DIALECTS[dialect].deltas(reads, request):
            found.extend(delta.deltas() if isinstance(delta, TextDeltas) else [delta])
    except TurnError as error:
        failure = (error.code, error.detail)
    return Outcome(tuple(d._replace(read=0) for d in found), tuple(d.read for d in found), failure)


def one_by_one(body: bytes) -> list[bytes]:
    return [body[i : i + 1] for i in range(len(body))]


def cut(body: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(at), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


def places(body: bytes) -> list[int]:
    """Some 28, about a third of them beside the end of a line or frame or in a character of several bytes.

    They differ from body to body, so that together the bodies are cut everywhere. In `make test-long`: each byte.
    """
    every = range(1, len(body))
    if LONG:
        return list(every)
    near = {
        at + more for at, byte in enumerate(body) if byte in b"\r\n\0" or byte > 127 for more in (-1, 0, 1, 2)
    }
    return sorted({*spread([*every], 18, body), *spread(sorted(near.intersection(every)), 10, body)})


def spread(of: Sequence[int], wanted: int, body: bytes) -> Sequence[int]:
    """At most so many of these, evenly apart, from a place on that depends on the body."""
    apart = -(-len(of) // wanted) or 1
    return of[crc32(body) % apart :: apart]


def check_cuts(
    dialect: str, body: bytes, request: TurnRequest = REQUEST, cuts: Iterable[int] | None = None
) -> Outcome:
    """Whole, byte by byte and cut in two at each of the places: the same deltas, with the read that completed each."""
    whole = feed(dialect, [body], request)
    bytewise = feed(dialect, one_by_one(body), request)
    assert (whole.deltas, whole.failure) == (bytewise.deltas, bytewise.failure)
    assert set(whole.reads) <= {0}
    completed_at = bytewise.reads
    assert list(completed_at) == sorted(completed_at)
    for at in places(body) if cuts is None else cuts:
        halves = feed(dialect, cut(body, [at]), request)
        assert (halves.deltas, halves.failure) == (whole.deltas, whole.failure), at
        assert halves.reads == tuple(int(end >= at) for end in completed_at), at
    return whole
