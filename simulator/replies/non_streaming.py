"""Replies that are not streamed: nothing is sent until the last token is there."""

from __future__ import annotations

from collections.abc import Callable

from simulator.ground_truth.truth_log import Marks, TruthRecord, now_ns
from simulator.replies.encoder import Encoder, Event
from simulator.replies.response import Response


class NonStreamingEncoder(Encoder):
    """`encode` with a finish returns head and body; before that, nothing.

    `answer(finish, tokens)` makes the response, `failure()` the one for a failed generation.
    """

    def __init__(
        self,
        answer: Callable[[str, int], Response],
        failure: Callable[[], Response],
        encode: Callable[[Response], bytes],
        truth: TruthRecord,
    ) -> None:
        self._answer = answer
        self._failure = failure
        self._encode = encode
        self._truth = truth

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        """See Encoder."""
        if finish is None:
            return b"", ()
        response = self._answer(finish, first + count)
        self._truth.status = response.status
        self._truth.headers_ns = now_ns()
        return self._encode(response), ((first + count, "whole"),)

    def pack(self, groups: list[list[Event]]) -> tuple[bytes, Marks]:
        """Errors only, which are complete responses: no chunks."""
        events = [event for group in groups for event in group]
        return b"".join(event[0] for event in events), tuple((event[1], event[2]) for event in events)

    def error(self) -> list[list[Event]]:
        """An HTTP error instead of the answer."""
        response = self._failure()
        self._truth.status = response.status
        return [[(self._encode(response), 0, "error")]]
