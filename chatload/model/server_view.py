"""What the server's own /metrics page says of a run, beside what the client saw (part of summary.json)."""

from __future__ import annotations

import msgspec


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """The server's numbers over the run, and ours of the same thing; None where it does not tell.

    Readings: `readings` are used; `unanswered` found no page, `stale` repeat an old page. `every_s` is the usual time
    between two that are used, `longest_hole_s` the longest time of the run without any. `missing` is why most of the
    unanswered ones had no numbers (ServerLine). `since_s`: when the page first told something, in s from the first
    due, where that was not before the first request; `client_tokens` and `client_finished` are then of turns that ended
    later.
    `restarted_s`: when its counters had fallen; differences of counters are then None.
    `requests_at_once` … `kv_use` are the highest readings. The others are differences of counters between the last
    reading before the run and the last one; `client_ttft_ms` is the mean over the turns of that same stretch,
    `first_tokens` and `client_first_tokens` are how many the two means are of.
    `ttft_apart_ms`: client's TTFT − server's, of the first and the second half. `waiting_unseen`: most requests seen
    in a queue that the server's own TTFT leaves out. `front_end_cpu`: cores that the process of the page used.
    """

    readings: int
    unanswered: int = 0
    stale: int = 0
    every_s: float | None = None
    longest_hole_s: float | None = None
    missing: str = ""
    since_s: float | None = None
    restarted_s: float | None = None
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
