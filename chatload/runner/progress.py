"""The figures of a headless run while it goes on, and the line that tells them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Sequence

from chatload.analysis.mark_bounds import is_spoiled, many_spoiled
from chatload.analysis.quantiles import percentile, too_few
from chatload.engine.clock import CLOCK, Clock
from chatload.engine.health import LAGGING_MS
from chatload.model.journal_lines import HealthLine
from chatload.model.metrics import ttft_ms
from chatload.model.sanitize import one_line
from chatload.model.summary import PERCENTILES
from chatload.model.turn import Turn
from chatload.runner.arriving_tokens import RECENT_S, ArrivingTokens

BUSY_CPU_PERCENT = 90.0
"""A process of the load generator that takes so much of a core is doubted, as in a capacity search."""


def ttft_words(ordered_ms: Sequence[float]) -> str:
    """Times to the first token, sorted upwards, as `p95 210 ms`; of too few for that `p50 180 ms`, of fewer `–`."""
    known = (name for name in ("p95", "p50") if not too_few(len(ordered_ms), PERCENTILES[name]))
    name = next(known, None)
    return "–" if name is None else f"{name} {percentile(ordered_ms, PERCENTILES[name]):,.0f} ms"


class Progress:
    """What has come in so far."""

    def __init__(self, turns_planned: int | None, clock: Clock = CLOCK) -> None:
        self.planned, self._clock = turns_planned, clock
        self._start_ns = clock.now_ns()
        self._ttft_ms: list[float] = []
        self._begun: dict[str, float] = {}
        self._recent: deque[tuple[int, float]] = deque()
        self._ended: deque[list[int]] = deque()  # [second of the run, turns that ended in it]
        self._arriving = ArrivingTokens(clock)
        self._open: dict[str, int] = {}
        self._spoiled = 0
        self._busy: dict[str, float] = {}
        self._late: dict[str, float] = {}
        self.users: int | None = 0
        self.turns = self.not_held = 0
        self.failed: Counter[str] = Counter()
        self.run_time_s: float | None = None

    def add(self, turn: Turn) -> None:
        """Count one turn."""
        told = self._forget_begun(turn)
        self.not_held += turn.not_held
        if not turn.counts:
            return
        self.turns += 1
        self._count_end(1 + turn.not_held)
        self._spoiled += is_spoiled(turn)
        if turn.code is not None:
            self.failed[turn.code] += 1
        ttft = ttft_ms(turn)
        if turn.ok and ttft is not None and not turn.warmup:
            insort(self._ttft_ms, ttft)
            if not told:
                self._recent.append((self._clock.now_ns(), ttft))
        self._arriving.add(turn)

    def add_health(self, line: HealthLine) -> None:
        """Take a second of one process in."""
        self._arriving.add_health(line)
        for turn_id, ttft in line.begun.items():
            self._begun[turn_id] = ttft
            insort(self._ttft_ms, ttft)
            self._recent.append((self._clock.now_ns(), ttft))
        self._open[line.worker] = line.in_flight or 0
        self._busy[line.worker] = line.cpu_percent or 0.0
        self._late[line.worker] = line.hub_lag_p99_ms or 0.0

    def _count_end(self, turns: int) -> None:
        second = int(self.elapsed_s)
        if self._ended and self._ended[-1][0] == second:
            self._ended[-1][1] += turns
        else:
            self._ended.append([second, turns])

    def _forget_begun(self, turn: Turn) -> bool:
        """Take back what was told of a turn when it began: its end tells. True where it was, and is a good turn."""
        ttft = self._begun.pop(turn.turn_id, None)
        if ttft is None:
            return False
        del self._ttft_ms[bisect_left(self._ttft_ms, ttft)]
        if not turn.ok:
            self._recent = deque(one for one in self._recent if one[1] != ttft)
        return turn.ok

    def line(self, level: str = "") -> str:
        """`  14 s  users 100  turns 143/1,000  TTFT p95 210 ms  3,912 tokens/s  failed 0`

        `level` is what a capacity search does now: its figures are those of the level.
        """
        if level:
            return f"{self.elapsed_s:5.0f} s  {level}"
        return (
            f"{self.elapsed_s:5.0f} s  {self.users_words}turns {self.of_planned}"
            f"  TTFT {ttft_words(self._ttft_ms)}  {self.speed_words(recent=True)}  failed {self.failed_words()}"
        )

    @property
    def users_words(self) -> str:
        """`users 100  `; nothing for loads whose one user of Locust sends the requests of all."""
        return "" if self.users is None else f"users {self.users:,}  "

    @property
    def elapsed_s(self) -> float:
        """s since the run began."""
        return (self._clock.now_ns() - self._start_ns) / 1e9

    @property
    def open_turns(self) -> int:
        """Turns that wait or stream, as each process told last."""
        return sum(self._open.values())

    @property
    def of_planned(self) -> str:
        """Turns held, and how many there are to be where that is known."""
        full = f" ({self.not_held:,} not held: context full)" if self.not_held else ""
        return (f"{self.turns:,}/{self.planned:,}" if self.planned else f"{self.turns:,}") + full

    @property
    def done(self) -> float | None:
        """The share of the run that is over, by turns or by --run-time, whichever is further; None if neither tells."""
        shares = [(self.turns + self.not_held) / self.planned] if self.planned else []
        shares += [self.elapsed_s / self.run_time_s] if self.run_time_s else []
        return min(1.0, max(shares)) if shares else None

    @property
    def left_s(self) -> float | None:
        """s that the run takes on, by --run-time or at the rate of turns in the second half of the time so far.

        None while nothing tells. Turns of the first half would let a ramp count as slow.
        """
        elapsed_s, found = self.elapsed_s, []
        while self._ended and self._ended[0][0] < int(elapsed_s / 2):
            self._ended.popleft()
        if self.planned and self._ended:
            ended = sum(turns for _, turns in self._ended)
            found.append(
                (self.planned - self.turns - self.not_held) * (elapsed_s - int(elapsed_s / 2)) / ended
            )
        if self.run_time_s:
            found.append(self.run_time_s - elapsed_s)
        return max(0.0, min(found)) if found else None

    def failed_words(self, codes: int = 3) -> str:
        """`http_500 2, truncated 1`: the most frequent codes; 0 where no turn failed."""
        return ", ".join(f"{one_line(code, 30)} {n:,}" for code, n in self.failed.most_common(codes)) or "0"

    def ttft(self, name: str, *, recent: bool) -> str:
        """A percentile of TTFT in ms, of first tokens that were told in the last 10 s or of all; `n<72` of too few, `–`
        of none."""
        ordered = self._ttft_ms
        if recent:
            self._forget(RECENT_S)
            ordered = sorted(ttft for _, ttft in self._recent)
        if not ordered:
            return "–"
        p = PERCENTILES[name]
        return too_few(len(ordered), p) or f"{percentile(ordered, p):,.0f} ms"

    def speed_words(self, *, recent: bool) -> str:
        """Tokens/s that came in, of the last 10 s or of all."""
        found = self._arriving.per_s(recent=recent)
        if found is None:
            return "no tokens yet"
        return f"{'about ' if self._arriving.is_estimate else ''}{found:,.0f} tokens/s"

    def doubts(self) -> list[str]:
        """What speaks against the measurement so far. The end of the run tells whether it moves a figure."""
        found = []
        if many_spoiled(self._spoiled, self.turns):
            found.append(f"{self._spoiled:,} of {self.turns:,} turns may be spoiled by the load generator")
        busiest, latest = max(self._busy.values(), default=0.0), max(self._late.values(), default=0.0)
        if busiest > BUSY_CPU_PERCENT:
            found.append(f"the load generator takes {busiest:.0f} % of a core: use more --processes")
        if latest > LAGGING_MS:
            found.append(f"the load generator runs {latest:.0f} ms late: give it cores of its own")
        return found

    def _forget(self, window_s: float) -> None:
        """Drop what came before the window."""
        since_ns = self._clock.now_ns() - window_s * 1e9
        while self._recent and self._recent[0][0] <= since_ns:
            self._recent.popleft()
