"""Sums over the turns of one row of the live table; rows add up to the run."""

from __future__ import annotations

from collections import Counter

from chatload.analysis.histogram import Histogram
from chatload.analysis.validity import is_spoiled
from chatload.model.errors import NO_FAILURES
from chatload.model.stalls import stalls_ms
from chatload.model.turn import Turn
from chatload.model.turn_metrics import TURN_METRICS

MEASURED = ("ttft_ms", "first_byte_ms", "decode_tokens_per_s", "felt_tokens_per_s", "e2e_ms")


class Tally:
    """Counts are exact; distributions, over good turns only, are histograms."""

    def __init__(self) -> None:
        self.turns = 0
        self.failed: Counter[str] = Counter()
        self.cut_short = 0
        self.tokens = 0
        self.stalls = 0
        self.longest_stall_ms = 0.0
        self.spoiled = 0
        self.metrics = {name: Histogram() for name in MEASURED}
        self.gap_ms = Histogram()

    def add(self, turn: Turn, stalls: list[float] | None = None) -> None:
        """Count one turn; `stalls` are its stalls in ms, where the caller has them already."""
        if turn.code in NO_FAILURES:
            self.cut_short += 1
            return
        self.turns += 1
        self.spoiled += is_spoiled(turn)
        if not turn.ok:
            self.failed[turn.code or "unknown"] += 1
            return
        self.tokens += turn.tokens or 0
        for name, histogram in self.metrics.items():
            value = TURN_METRICS[name](turn)
            if value is not None:
                histogram.add(value)
        self.gap_ms.add_all([gap / 1000.0 for gap in turn.gaps_us])
        found = stalls_ms(turn) if stalls is None else stalls
        self.stalls += len(found)
        self.longest_stall_ms = max(self.longest_stall_ms, *found, 0.0)

    def merge(self, other: Tally) -> None:
        """Count all that `other` has counted, too."""
        self.turns += other.turns
        self.failed.update(other.failed)
        self.cut_short += other.cut_short
        self.tokens += other.tokens
        self.stalls += other.stalls
        self.longest_stall_ms = max(self.longest_stall_ms, other.longest_stall_ms)
        self.spoiled += other.spoiled
        for name, histogram in other.metrics.items():
            self.metrics[name].merge(histogram)
        self.gap_ms.merge(other.gap_ms)

    @property
    def failures(self) -> int:
        """Failed turns of any code."""
        return sum(self.failed.values())

    def row(self) -> dict[str, str | int | float | None]:
        """The row as the table shows it; None where there is nothing to tell."""
        ttft = self.metrics["ttft_ms"].quantiles(0.5, 0.95, 0.99)
        return {
            "turns": self.turns,
            "failed": self.failures,
            "ttft_p50_ms": ttft[0],
            "ttft_p95_ms": ttft[1],
            "ttft_p99_ms": ttft[2],
            "first_byte_p95_ms": self.metrics["first_byte_ms"].quantile(0.95),
            "decode_tokens_per_s": self.metrics["decode_tokens_per_s"].quantile(0.5),
            "felt_tokens_per_s": self.metrics["felt_tokens_per_s"].quantile(0.5),
            "gap_p99_ms": self.gap_ms.quantile(0.99),
            "stalls": self.stalls,
            "trust": self.trust(),
        }

    def trust(self) -> str:
        """Whether the measurement is in doubt: how many turns the client itself may have spoiled."""
        if not self.turns:
            return "–"
        return "good" if not self.spoiled else f"{self.spoiled:,} of {self.turns:,} in doubt"
