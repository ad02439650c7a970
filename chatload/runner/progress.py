"""The text line of a headless run while it goes on."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence

from chatload.analysis.quantiles import percentile, too_few
from chatload.engine.clock import CLOCK, Clock
from chatload.model.errors import NO_FAILURES
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import ttft_ms
from chatload.model.summary import PERCENTILES
from chatload.model.turn import Turn


def ttft_words(ordered_ms: Sequence[float]) -> str:
    """Times to the first token, sorted upwards, as `p95 210 ms`; of too few for that `p50 180 ms`, of fewer `–`."""
    known = (name for name in ("p95", "p50") if not too_few(len(ordered_ms), PERCENTILES[name]))
    name = next(known, None)
    return "–" if name is None else f"{name} {percentile(ordered_ms, PERCENTILES[name]):,.0f} ms"


class Progress:
    """What has come in so far."""

    def __init__(self, turns_planned: int | None, clock: Clock = CLOCK) -> None:
        self._planned, self._clock = turns_planned, clock
        self._start_ns = clock.now_ns()
        self._ttft_ms: list[float] = []
        self._reads: list[tuple[int, int]] = []
        self._tokens_ended = self._reads_ended = 0
        self.users = 0
        self.turns = 0
        self.failed: Counter[str] = Counter()

    def add(self, turn: Turn) -> None:
        """Count one turn."""
        if turn.code in NO_FAILURES:
            return
        self.turns += 1
        if turn.code is not None:
            self.failed[turn.code] += 1
        ttft = ttft_ms(turn)
        if turn.ok and ttft is not None and not turn.warmup:
            insort(self._ttft_ms, ttft)
        if turn.ok and turn.tokens and turn.reads:
            self._tokens_ended += turn.tokens
            self._reads_ended += turn.reads

    def add_health(self, line: HealthLine) -> None:
        """Count the reads of a second of one process: those of replies that still stream, too."""
        if line.reads:
            self._reads.append((self._clock.now_ns(), line.reads))

    def line(self, level: str = "") -> str:
        """`  14 s  users 100  turns 143/1,000  TTFT p95 210 ms  3,912 tokens/s  failed 0`

        `level` is what a capacity search does now: its figures are those of the level.
        """
        now = self._clock.now_ns()
        if level:
            return f"{(now - self._start_ns) / 1e9:5.0f} s  {level}"
        ttft = ttft_words(self._ttft_ms)
        failed = ", ".join(f"{code} {n}" for code, n in self.failed.most_common(3)) or "0"
        return (
            f"{(now - self._start_ns) / 1e9:5.0f} s  users {self.users:,}"
            f"  turns {self._of_planned()}  TTFT {ttft}  {self._speed(now)}  failed {failed}"
        )

    def _speed(self, now: int) -> str:
        """Tokens that came in the last 10 s, by the reads they came in, and the tokens a read of the ended replies.

        Until a good reply has ended, a read is taken for about a token; without reads nothing is known.
        """
        window_s = min(10.0, max(1.0, (now - self._start_ns) / 1e9))
        self._reads = [item for item in self._reads if item[0] > now - window_s * 1e9]
        reads_per_s = sum(reads for _, reads in self._reads) / window_s
        if self._reads_ended:
            return f"{reads_per_s * self._tokens_ended / self._reads_ended:,.0f} tokens/s"
        return f"about {reads_per_s:,.0f} tokens/s" if reads_per_s else "no tokens yet"

    def _of_planned(self) -> str:
        """Turns held, and how many there are to be where that is known."""
        return f"{self.turns:,}/{self._planned:,}" if self._planned else f"{self.turns:,}"
