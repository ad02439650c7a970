"""JMeter's Aggregate Report of a run, number for number what JMeter makes of the run's JTL."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatload.interop.jtl import Sample, samples
from chatload.model.sanitize import one_line, shown
from chatload.render.text_table import table
from chatload.store.journal import Run

HEADINGS = (
    "Label",
    "# Samples",
    "Average",
    "Median",
    "90% Line",
    "95% Line",
    "99% Line",
    "Min",
    "Max",
    "Error %",
    "Throughput",
    "Received KB/sec",
    "Sent KB/sec",
)
TOTAL = "TOTAL"


def jmeter_text(run: Run, *, titled: bool) -> str:
    """The Aggregate Report of a run, under its name where there are several."""
    title = f"{one_line(run.name, 100)} ({one_line(run.folder.name, 100)})\n" if titled else ""
    return shown(title + aggregate_text(aggregate(samples(run.folder, run.manifest))))


@dataclass(slots=True)
class Row:
    """What JMeter keeps of one label: whole ms, bytes, errors, first start and last end."""

    label: str
    elapsed_ms: list[int] = field(default_factory=list)
    errors: int = 0
    bytes: int = 0
    sent_bytes: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, sample: Sample) -> None:
        """One more sample."""
        self.first_ms = min(self.first_ms, sample.time_stamp) if self.elapsed_ms else sample.time_stamp
        self.last_ms = max(self.last_ms, sample.end)
        self.elapsed_ms.append(sample.elapsed)
        self.errors += not sample.turn.ok
        self.bytes += sample.turn.bytes
        self.sent_bytes += sample.turn.sent_bytes


def aggregate(found: Iterable[Sample]) -> list[Row]:
    """One row a label in order of first appearance, and TOTAL."""
    rows: dict[str, Row] = {}
    total = Row(TOTAL)
    for sample in found:
        label = one_line(sample.label, 40)
        rows.setdefault(label, Row(label)).add(sample)
        total.add(sample)
    return [*rows.values(), total]


def percent_point(ordered: Sequence[int], share: float) -> int:
    """JMeter's percentile: of n values in order the k-th, k = ⌊n · share + ½⌋; no interpolation.

    k = 0 gives the smallest value, as JMeter's loop over its sorted counts ends at once; 0 without values.
    """
    if not ordered:
        return 0
    return ordered[max(1, math.floor(len(ordered) * share + 0.5)) - 1]


def line_share(percent: int) -> float:
    """The share of a “90% Line” as JMeter has it: a 32-bit float, 0.9 being 0.89999998.

    It matters where n · share ends in ½: of 5 values the 90 % line is the 4th, not the 5th.
    """
    share: float = struct.unpack("f", struct.pack("f", percent / 100))[0]
    return share


def cells(row: Row) -> list[str]:
    """A row as JMeter's window shows it."""
    ordered = sorted(row.elapsed_ms)
    n, length_ms = len(ordered), row.last_ms - row.first_ms
    mean = sum(ordered) // n if n else 0
    lines = (percent_point(ordered, line_share(percent)) for percent in (90, 95, 99))
    received, sent = (
        count / 1024 / (length_ms / 1000) if length_ms > 0 else 0.0 for count in (row.bytes, row.sent_bytes)
    )
    return [
        row.label,
        *map(str, (n, mean, percent_point(ordered, 0.5), *lines)),
        *(map(str, (ordered[0], ordered[-1])) if n else ("0", "0")),
        f"{100 * (row.errors / n) if n else 0.0:.2f}%",
        rate(n, length_ms),
        f"{received:.2f}",
        f"{sent:.2f}",
    ]


def rate(n: int, length_ms: int) -> str:
    """Throughput = n / (last end − first start), in JMeter's unit: /sec, below 1 /min, below that /hour."""
    if n == 0:
        return ".0/hour"
    if length_ms <= 0:
        return "∞/sec"
    value, unit = n / length_ms * 1000, "sec"
    for slower in ("min", "hour"):
        if value < 1:
            value, unit = value * 60, slower
    text = f"{value:.1f}"
    return f"{text.removeprefix('0') if text.startswith('0.') else text}/{unit}"


def aggregate_text(rows: Sequence[Row]) -> str:
    """The report as a table: labels left, numbers right."""
    return "\n".join(table([HEADINGS, *map(cells, rows)])) + "\n"
