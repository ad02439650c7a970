"""The interface of all encoders: tokens in, bytes out, with a record of the events in each write."""

from __future__ import annotations

from simulator.ground_truth.truth_log import Marks
from simulator.http.framing import http_chunk

Event = tuple[bytes, int, str]
"""(bytes, tokens, kind); kinds are listed in docs/simulator.md."""


class Encoder:
    """A reply whose stream has only token events; subclasses override what else theirs has.

    Methods that return groups leave the framing to `pack`: each group becomes one HTTP chunk.
    """

    upper_case_chunks = False
    engine_died = False

    def opening(self) -> list[list[Event]]:
        """Events written before the request enters the engine."""
        return []

    def role_early(self) -> list[list[Event]]:
        """The role event by itself, if it is still due."""
        return []

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """The bytes for tokens first … first+count−1; with `finish`, all that ends the stream."""
        raise NotImplementedError

    def error(self) -> list[list[Event]]:
        """The server's own error inside the stream and what follows it; empty: the stream just breaks off."""
        return []

    def interrupted(self) -> list[list[Event]]:
        """What a server sends that breaks off a stream for another request."""
        return []

    def cut_event(self, first: int) -> list[list[Event]]:
        """The event of token `first` with its JSON cut off; empty where there are no events."""
        return []

    def huge_event(self, first: int, size: int) -> list[list[Event]]:
        """The event of token `first` with a text of `size` bytes; empty where there are no events."""
        return []

    def chunk(self, data: bytes) -> bytes:
        """One HTTP chunk."""
        return http_chunk(data, self.upper_case_chunks)

    def pack(self, groups: list[list[Event]]) -> tuple[bytes, Marks]:
        """Each group as one HTTP chunk."""
        data = b"".join(self.chunk(b"".join(event[0] for event in group)) for group in groups if group)
        return data, tuple((event[1], event[2]) for group in groups for event in group)
