"""A row of the live table: sums over some turns of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatload.analysis.histogram import Histogram
from chatload.analysis.mark_bounds import is_spoiled, many_spoiled
from chatload.analysis.quantiles import too_few
from chatload.model.held_stream import held
from chatload.model.metrics import Metric, View, e2e_ms, metrics_in
from chatload.model.stalls import stalls_ms
from chatload.model.summary import PERCENTILES
from chatload.model.turn import Turn


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the live table; `unit` is ms, tokens/s, or "" for a count or a word."""

    key: str
    title: str
    unit: str = ""


def live_statistics() -> Iterator[tuple[Metric, str]]:
    """(metric, percentile) of each column that shows a percentile."""
    return ((one, name) for one in metrics_in(View.LIVE) for name in one.shown[View.LIVE])


def columns() -> list[Column]:
    """The columns after the first, in order, with the keys of `Tally.row`."""
    measured = [
        Column(f"{one.key}_{name}", f"{one.label} {name}", one.unit) for one, name in live_statistics()
    ]
    counts = [Column("turns", "turns"), Column("failed", "failed"), Column("tokens", "tokens")]
    return [*counts, *measured, Column("stalls", "stalls"), Column("marked", "marked")]


Value = str | int | float | None
Row = dict[str, Value]
"""Values by column; None where there is none."""


class Tally:
    """Counts of turns, and histograms over the good ones."""

    def __init__(self) -> None:
        self.turns = 0
        self.failed: Counter[str] = Counter()
        self.cut_short = 0
        self.tokens = 0
        self.stalls = 0
        self.longest_stall_ms = 0.0
        self.spoiled = 0
        self._measured = metrics_in(View.LIVE)
        self.metrics = {one.key: Histogram() for one in self._measured}
        self.e2e_ms = Histogram()

    def add(self, turn: Turn, stalls: list[float] | None = None) -> None:
        """Count one turn; `stalls` are its stalls in ms, where the caller has them already."""
        if not turn.counts:
            self.cut_short += 1
            return
        self.turns += 1
        self.spoiled += is_spoiled(turn)
        if not turn.ok:
            self.failed[turn.code or "unknown"] += 1
            return
        self.tokens += turn.tokens or 0
        for metric in self._measured:
            _add(self.metrics[metric.key], metric.value(turn))
        _add(self.e2e_ms, e2e_ms(turn))
        if "gap_ms" in self.metrics and turn.gaps_us and not held(turn):  # of gaps, not of turns
            self.metrics["gap_ms"].add_all([gap / 1000.0 for gap in turn.gaps_us])
        found = stalls_ms(turn) if stalls is None else stalls
        self.stalls += len(found)
        self.longest_stall_ms = max(self.longest_stall_ms, *found, 0.0)

    def merge(self, other: Tally) -> None:
        """Add the counts of `other`."""
        self.turns += other.turns
        self.failed.update(other.failed)
        self.cut_short += other.cut_short
        self.tokens += other.tokens
        self.stalls += other.stalls
        self.longest_stall_ms = max(self.longest_stall_ms, other.longest_stall_ms)
        self.spoiled += other.spoiled
        for name, histogram in other.metrics.items():
            self.metrics[name].merge(histogram)
        self.e2e_ms.merge(other.e2e_ms)

    @property
    def failures(self) -> int:
        """Failed turns of any code."""
        return sum(self.failed.values())

    def row(self) -> Row:
        """The sums as a row of the table."""
        return {
            "turns": self.turns,
            "failed": self.failures,
            "tokens": self.tokens,
            **{
                f"{one.key}_{name}": value
                for one in self._measured
                for name, value in percentiles_of(self.metrics[one.key], one.shown[View.LIVE]).items()
            },
            "stalls": self.stalls,
            "marked": self.marked(),
        }

    @property
    def many_marked(self) -> bool:
        """As the terminal's live display has it."""
        return many_spoiled(self.spoiled, self.turns)

    def marked(self) -> str:
        """How many turns are marked, since the load generator may have spoiled them."""
        if not self.turns:
            return "–"
        return "none" if not self.spoiled else f"{self.spoiled:,} of {self.turns:,}"


def percentiles_of(histogram: Histogram, names: Sequence[str]) -> Row:
    """The percentiles by name; `n<72` of too few values, None of none."""
    wanted = [PERCENTILES[name] for name in names]
    found = zip(names, wanted, histogram.quantiles(*wanted), strict=True)
    return {name: (histogram.count and too_few(histogram.count, p)) or value for name, p, value in found}


def _add(histogram: Histogram, value: float | None) -> None:
    if value is not None:
        histogram.add(value)
