"""Replies that are not streamed: nothing until the last token, then everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.events import Event
from simulator.truth import Marks, now_ns

if TYPE_CHECKING:
    from simulator.reply import Reply
    from simulator.server import Server


class WholeEncoder:
    """Collects tokens; `encode` with a finish returns head and body."""

    def __init__(self, server: Server, reply: Callable[[], Reply], close: bool) -> None:
        self._server = server
        self._reply = reply
        self._close = close

    def opening(self) -> list[list[Event]]:
        """Nothing is written before the answer is complete."""
        return []

    def role_early(self) -> list[list[Event]]:
        """There is no role event."""
        return []

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """Empty until the answer is complete."""
        if finish is None:
            return b"", ()
        reply = self._reply()
        whole = self._server.speaker.whole(reply, finish, first + count)
        reply.truth.status = whole.status
        reply.truth.headers_ns = now_ns()
        return whole.encode(self._server, self._close), ((first + count, "whole"),)

    def pack(self, groups: list[list[Event]]) -> tuple[bytes, Marks]:
        """Only errors come this way, and they are whole responses already."""
        events = [event for group in groups for event in group]
        return b"".join(event[0] for event in events), tuple((event[1], event[2]) for event in events)

    def error(self) -> list[list[Event]]:
        """An HTTP error instead of the answer."""
        whole = self._server.speaker.failed("Internal server error")
        self._reply().truth.status = whole.status
        return [[(whole.encode(self._server, self._close), 0, "error")]]

    def broken(self, first: int) -> list[list[Event]]:
        """This fault needs a stream."""
        return []

    def huge(self, first: int, size: int) -> list[list[Event]]:
        """This fault needs a stream."""
        return []
