"""The content of a reply, and iterators that keep or observe it while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chatload.model.turn import Delta, TextDeltas


class Answer(NamedTuple):
    """Text and reasoning of a reply, and its body in pieces if `TurnSpec.keeps_body` is set."""

    text: str
    reasoning: str = ""
    body: tuple[bytes, ...] = ()


def kept(reads: Iterable[bytes], body: list[bytes]) -> Iterator[bytes]:
    """Yield the reads, appending each to `body`."""
    for read in reads:
        body.append(read)
        yield read


def told(
    deltas: Iterable[Delta | TextDeltas], on_delta: Callable[[Delta], None]
) -> Iterator[Delta | TextDeltas]:
    """Yield the deltas one by one, each after calling `on_delta` with it."""
    for found in deltas:
        for delta in found.deltas() if isinstance(found, TextDeltas) else (found,):
            on_delta(delta)
            yield delta
