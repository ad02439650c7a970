"""Reads a trace: due times, and lengths where known, recorded elsewhere (docs/interchange.md).

JSON lines, a JSON list, or CSV with a header. trace_columns.py has the columns that are known; others are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from chatload.files.columns import plain
from chatload.files.reading import Mistakes, quoted
from chatload.files.records import Records
from chatload.loads.trace_columns import (
    OWN,
    TEXTS,
    TIME_UNITS,
    UNITS,
    form_of,
)
from chatload.loads.trace_rows import RowMistake, Scan, read_row
from chatload.loads.trace_unit import Found, Numbers, unit_of

MOST_ROWS = 1_000_000
LONGEST_S = 31 * 86_400
"""Longest trace, in s."""
REMEDY = "give a trace file (JSON lines, a JSON list or CSV)"


class TraceRow(msgspec.Struct, frozen=True):
    """One request of a trace; None for a length that the trace does not tell."""

    due_ns: int
    prompt_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows of a trace in the order they are due. `notes` say how its times were read, where no name tells it."""

    rows: tuple[TraceRow, ...]
    notes: tuple[str, ...] = ()


def read_trace(path: str | Path, unit: str = "") -> Trace:
    """The trace in a file. `unit` is that of its times where no name tells it; empty: as its numbers tell.

    Raises UsageError naming every bad row, or asking for the unit.
    """
    mistakes = Mistakes(path)
    scan = Scan()
    records = Records(path, REMEDY, mistakes)
    for record in records:
        try:
            read_row(record, scan)
        except RowMistake as wrong:
            mistakes.add(str(wrong), record.line, record.item)
        if len(scan.rows) > MOST_ROWS:
            mistakes.add(f"more than {MOST_ROWS:,} rows: cut it there", record.line, record.item)
            break
    if len(scan.names) > 1:
        names = " and some ".join(sorted(scan.names))
        mistakes.lines.insert(0, f"{mistakes.name}: some rows have {names}: use one of them throughout")
    if not scan.names:  # no row can be read: report one mistake
        mistakes = _no_row(path, records, scan, mistakes)
    mistakes.raise_all()
    found = _unit(scan, unit, mistakes)
    mistakes.raise_all()
    return _trace(path, scan, found, mistakes, asked=bool(unit))


def _no_row(path: str | Path, records: Records, scan: Scan, found: Mistakes) -> Mistakes:
    """One mistake for a file of which no row can be read."""
    columns = records.columns or tuple(sorted(scan.columns))
    one = Mistakes(path)
    if columns and not any(plain(name) in TIME_UNITS for name in columns):
        one.add(
            f"no column of times among {', '.join(map(quoted, columns[:8]))}: name one {OWN} (s), or timestamp",
            1,
        )
    elif found.lines:
        one.lines.append(found.lines[0] + " (no other row can be read either)" * (len(found.lines) > 1))
    else:
        one.add('holds no row: write one a line, such as {"due_s": 0.5}')
    return one


def _unit(scan: Scan, asked: str, mistakes: Mistakes) -> Found:
    """The unit of the times; ns for dates."""
    ((shown, name),) = scan.names.items()
    if any(row.is_date for row in scan.rows):
        if not all(row.is_date for row in scan.rows):
            mistakes.add(f"some rows have a number as {shown} and some a date: use one of them throughout")
        if len(scan.zones) > 1:
            mistakes.add(f"some dates of {shown} have a time zone and some have none: give all of them one")
        return Found("ns")
    told = TIME_UNITS[name]
    if told and asked and told != asked:
        mistakes.add(f"{shown} is in {told}, --trace-unit says {asked}: leave the option out")
    form = form_of(frozenset(scan.columns))
    if told or asked or form is not None:
        return Found(told or asked or form.unit)  # type: ignore[union-attr]
    numbers = Numbers(
        [row.time for row in scan.rows],
        scan.whole,
        next(iter(scan.blocks)) if len(scan.blocks) == 1 else 0,
        "input_length" in scan.columns,
        scan.ours,
    )
    found = unit_of(numbers, LONGEST_S)
    if not found.unit:
        mistakes.add(f"{shown} in s or ms? {found.why} Say it: --trace-unit s or --trace-unit ms")
    return found


def _unknown_lengths(path: str | Path, scan: Scan) -> list[str]:
    """A note on rows that do not tell the length of their prompt or of their answer."""
    told = []
    for what, known in (
        ("prompt", sum(row.prompt_tokens is not None for row in scan.rows)),
        ("answer", sum(row.output_tokens is not None for row in scan.rows)),
    ):
        if known < len(scan.rows):
            told.append(f"{len(scan.rows) - known:,} of {len(scan.rows):,} rows tell no length of the {what}")
    if not told:
        return []
    return [f"--trace {Path(path).name}: {', '.join(told)}: lengths of ShareGPT's are drawn for them"]


def _trace(path: str | Path, scan: Scan, found: Found, mistakes: Mistakes, *, asked: bool) -> Trace:
    """The rows with due times, sorted. UsageError for a trace that takes too long."""
    ((shown, name),) = scan.names.items()
    ns = UNITS[found.unit]
    dues = [round(row.time * ns) for row in scan.rows]
    first = 0 if name == OWN else min(dues)
    order = sorted(range(len(dues)), key=dues.__getitem__)
    last_s = (dues[order[-1]] - first) / 1e9
    if last_s > LONGEST_S:
        last = scan.rows[order[-1]]
        mistakes.add(
            f"due {last_s:.4g} s after the start: at most {LONGEST_S // 86_400} days", last.line, last.item
        )
    mistakes.raise_all()
    notes = []
    if found.why and not asked:
        notes.append(
            f"--trace {Path(path).name}: {shown} is read as {found.unit} ({found.why}): "
            f"{len(dues):,} requests in {last_s:,.6g} s. If not: --trace-unit"
        )
    texts = [column for column in TEXTS if column in scan.columns]
    if texts:
        notes.append(
            f"--trace {Path(path).name}: its {texts[0]} are not sent: prompts of its lengths are generated"
        )
    notes += _unknown_lengths(path, scan)
    rows = (scan.rows[index] for index in order)
    return Trace(
        tuple(
            TraceRow(dues[index] - first, row.prompt_tokens, row.output_tokens)
            for index, row in zip(order, rows, strict=True)
        ),
        tuple(notes),
    )
