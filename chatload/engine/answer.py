"""What a reply said, for those who hold the turn; and ways to look at a reply while it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chatload.model.turn import Delta, TextDeltas


class Answer(NamedTuple):
    """Text and reasoning of a reply, and its body in pieces where it was to be kept."""

    text: str
    reasoning: str = ""
    body: tuple[bytes, ...] = ()


def kept(reads: Iterable[bytes], body: list[bytes]) -> Iterator[bytes]:
    """The reads, each of which is appended to `body`."""
    for read in reads:
        body.append(read)
        yield read


def told(
    deltas: Iterable[Delta | TextDeltas], on_delta: Callable[[Delta], None]
) -> Iterator[Delta | TextDeltas]:
    """The deltas one by one, each after `on_delta` has seen it."""
    for found in deltas:
        for delta in found.deltas() if isinstance(found, TextDeltas) else (found,):
            on_delta(delta)
            yield delta
