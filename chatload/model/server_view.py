"""A run as the server's own /metrics page reports it, compared with the client's numbers (part of summary.json)."""

from __future__ import annotations

import msgspec


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """The server's numbers over the run, and the client's for comparison; None where the page does not have one.

    `readings` of the page are used, `unanswered` got no numbers (most often for the reason `missing`, see ServerLine),
    `stale` repeat an old page. `every_s` is the usual time between two used ones, `longest_hole_s` the longest time of
    the run without any. `since_s`: when the page first had numbers, in s from the first due, if that was after the
    first request; `client_tokens` and `client_finished` then count turns that ended later.
    `restarted_s`: when its counters were first seen to have fallen; differences of counters are then None.
    `counters_fell`: at how many readings; more than one where several servers answer at its address by turns.
    `requests_at_once` … `batch_tokens` are the highest readings. The others are differences of counters between the
    last reading before the run and the last one; `client_ttft_ms` is the mean over the turns of that same stretch,
    `first_tokens` and `client_first_tokens` are how many requests the two means are of.
    `ttft_apart_ms`: client's TTFT − server's, of the first and the second half. `waiting_unseen`: most requests seen
    in a queue that the server's own TTFT leaves out. `front_end_cpu`: cores used by the process that serves the page.
    """

    readings: int
    unanswered: int = 0
    stale: int = 0
    every_s: float | None = None
    longest_hole_s: float | None = None
    missing: str = ""
    since_s: float | None = None
    restarted_s: float | None = None
    counters_fell: int = 0
    requests_at_once: float | None = None
    client_requests_at_once: int = 0
    running: float | None = None
    waiting: float | None = None
    waiting_unseen: float | None = None
    kv_use: float | None = None
    batch_tokens: float | None = None
    queue_ms: float | None = None
    ttft_ms: float | None = None
    client_ttft_ms: float | None = None
    first_tokens: float | None = None
    client_first_tokens: int = 0
    ttft_apart_ms: tuple[float, float] | None = None
    tokens: float | None = None
    drafted_tokens: float | None = None
    client_tokens: int = 0
    finished: float | None = None
    client_finished: int = 0
    preemptions: float | None = None
    cached_share: float | None = None
    prompt_tokens: float | None = None
    front_end_cpu: float | None = None

    @property
    def front_end_ms(self) -> float | None:
        """Mean time that a first token spends outside what the server measures: client's TTFT − the server's own."""
        if self.ttft_ms is None or self.client_ttft_ms is None:
            return None
        return self.client_ttft_ms - self.ttft_ms
