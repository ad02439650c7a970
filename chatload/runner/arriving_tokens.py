"""Tokens/s of all users as they come in, those of replies that still stream, too.

A process tells each second how many reads came in (health lines), not their tokens, which are known when a turn ends:
so reads count as many tokens as a read of the replies that have ended.
"""

from __future__ import annotations

from collections import deque

from chatload.engine.clock import CLOCK, Clock
from chatload.model.journal_lines import HealthLine
from chatload.model.turn import Turn

RECENT_S = 10.0
"""How far “now” reaches back."""


class ArrivingTokens:
    """Counts reads by second and the tokens of a read."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._since_ns: int | None = None
        self._heard_ns = self._start_ns
        self._recent: deque[tuple[int, int]] = deque()
        self._reads = self._reads_ended = self._tokens_ended = 0

    def add(self, turn: Turn) -> None:
        """Count the tokens of a read of an ended turn."""
        if turn.ok and turn.tokens and turn.reads:
            self._tokens_ended += turn.tokens
            self._reads_ended += turn.reads

    def add_health(self, line: HealthLine) -> None:
        """Count the reads of a second of one process."""
        now = self._clock.now_ns()
        if self._since_ns is None:
            self._since_ns = now - round((line.seconds or 1.0) * 1e9)
        self._heard_ns = now
        if line.reads:
            self._recent.append((now, line.reads))
            self._reads += line.reads

    @property
    def is_estimate(self) -> bool:
        """Whether no reply has ended yet: a read is then taken for about a token."""
        return not self._reads_ended

    def per_s(self, *, recent: bool) -> float | None:
        """Tokens/s of the last 10 s, or from the first second heard of to the last; None before any read."""
        if not self._reads:
            return None
        now = self._clock.now_ns()
        if recent:
            window_s = min(RECENT_S, max(1.0, (now - self._start_ns) / 1e9))
            since_ns = now - window_s * 1e9
            while self._recent and self._recent[0][0] <= since_ns:
                self._recent.popleft()
            reads = sum(reads for _, reads in self._recent)
        else:
            window_s = max(1.0, (self._heard_ns - (self._since_ns or self._heard_ns)) / 1e9)
            reads = self._reads
        a_read = self._tokens_ended / self._reads_ended if self._reads_ended else 1.0
        return reads / window_s * a_read
