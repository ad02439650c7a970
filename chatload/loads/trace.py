"""Reads a trace: due times, and lengths where known, recorded elsewhere (docs/interchange.md).

JSON lines, a JSON list, or CSV with a header. trace_columns.py has the columns that are known; others are passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from chatload.files.columns import plain
from chatload.files.reading import Mistakes, quoted
from chatload.files.records import Record, Records
from chatload.loads.trace_columns import (
    ANSWERS,
    OWN,
    PROMPTS,
    TEXTS,
    TIME_UNITS,
    UNITS,
    ZERO_IS_UNKNOWN,
    form_of,
)
from chatload.loads.trace_unit import MOONCAKE_BLOCK, OUR_BLOCK, Found, Numbers, unit_of

MOST_ROWS, MOST_TOKENS = 1_000_000, 1_000_000
LONGEST_S = 31 * 86_400
"""Longest trace, in s."""
LATEST_S, LATEST = 1e15, 1e20
"""Largest value of due_s, and of other columns of times (ns of the Unix era fit)."""
REMEDY = "give a trace file (JSON lines, a JSON list or CSV)"
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


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


class _RowMistake(Exception):
    """A mistake in one row."""


@dataclass(slots=True)
class _Row:
    """One row as it stands: its time as a number of an unknown unit, or as ns where it is a date."""

    time: float
    is_date: bool
    prompt_tokens: int | None
    output_tokens: int | None
    place: Record


@dataclass(slots=True)
class _Scan:
    """What all rows together tell."""

    rows: list[_Row] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Columns of times as the file writes them, and their plain names."""
    columns: set[str] = field(default_factory=set)
    whole: bool = True
    zones: set[bool] = field(default_factory=set)
    blocks: set[int] = field(default_factory=lambda: {MOONCAKE_BLOCK, OUR_BLOCK})
    ours: bool = False


def read_trace(path: str | Path, unit: str = "") -> Trace:
    """The trace in a file. `unit` is that of its times where no name tells it; empty: as its numbers tell.

    Raises UsageError naming every bad row, or asking for the unit.
    """
    mistakes = Mistakes(path)
    scan = _Scan()
    records = Records(path, REMEDY, mistakes)
    for record in records:
        try:
            _read_row(record, scan)
        except _RowMistake as wrong:
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


def _no_row(path: str | Path, records: Records, scan: _Scan, found: Mistakes) -> Mistakes:
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


def _unit(scan: _Scan, asked: str, mistakes: Mistakes) -> Found:
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


def _trace(path: str | Path, scan: _Scan, found: Found, mistakes: Mistakes, *, asked: bool) -> Trace:
    """The rows with due times, sorted. UsageError for a trace that takes too long."""
    ((shown, name),) = scan.names.items()
    ns = UNITS[found.unit]
    dues = [round(row.time * ns) for row in scan.rows]
    first = 0 if name == OWN else min(dues)
    order = sorted(range(len(dues)), key=dues.__getitem__)
    last_s = (dues[order[-1]] - first) / 1e9
    if last_s > LONGEST_S:
        place = scan.rows[order[-1]].place
        mistakes.add(
            f"due {last_s:.4g} s after the start: at most {LONGEST_S // 86_400} days", place.line, place.item
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
    rows = (scan.rows[index] for index in order)
    return Trace(
        tuple(
            TraceRow(dues[index] - first, row.prompt_tokens, row.output_tokens)
            for index, row in zip(order, rows, strict=True)
        ),
        tuple(notes),
    )


def _read_row(record: Record, scan: _Scan) -> None:
    """Add a record to the scan. Raises _RowMistake."""
    content = record.content
    if record.problem:
        raise _RowMistake(record.problem)
    if not isinstance(content, Mapping):
        raise _RowMistake('not a JSON object: write rows such as {"due_s": 0.5}')
    fields = {plain(name): (name, value) for name, value in content.items() if value not in (None, "")}
    if len(scan.columns) < 256:
        scan.columns.update(fields)
    given = [name for name in content if plain(name) in TIME_UNITS and content[name] not in (None, "")]
    if len(given) != 1:
        have = f"both {' and '.join(given[:2])}" if given else f"neither {OWN} (s) nor a timestamp"
        raise _RowMistake(f"has {have}: give one")
    shown = given[0]
    scan.names[shown] = plain(shown)
    time, is_date = _time(plain(shown), shown, content[shown], scan)
    row = _Row(time, is_date, _tokens(fields, PROMPTS), _tokens(fields, ANSWERS), record)
    _blocks(fields, row, scan)
    scan.rows.append(row)


def _time(name: str, shown: str, value: object, scan: _Scan) -> tuple[float, bool]:
    """(the time as a number, or ns of a date since 1970; whether it is a date)."""
    if isinstance(value, str) and name != OWN and not _DECIMAL.fullmatch(value.strip()):
        return _date(shown, value, scan), True
    due = _number(shown, value)
    most = LATEST_S if name == OWN else LATEST
    if not 0 <= due <= most:
        raise _RowMistake(f"{shown} {_given(value)}: must be 0 or more{f', at most {most:g}' * (due > 0)}")
    scan.whole = scan.whole and isinstance(due, int)
    return due, False


def _date(shown: str, value: str, scan: _Scan) -> int:
    """ns of a date and time since 1970. Without a zone it is UTC: only differences count."""
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        raise _RowMistake(
            f"{shown} {quoted(value)}: must be a number, or like 2023-11-16 18:17:03.98"
        ) from None
    scan.zones.add(at.tzinfo is not None)
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _tokens(fields: Mapping[str, tuple[str, object]], names: tuple[str, ...]) -> int | None:
    """The number of tokens in the one of `names` that the row has. Two that differ are a mistake."""
    found: tuple[str, int] | None = None
    for name in names:
        if name not in fields:
            continue
        shown, value = fields[name]
        tokens = _number(shown, value)
        if tokens == 0 and name in ZERO_IS_UNKNOWN:
            continue
        if tokens != int(tokens) or not 1 <= tokens <= MOST_TOKENS:
            raise _RowMistake(f"{shown} {_given(value)}: must be a whole number from 1 to {MOST_TOKENS:,}")
        if found is not None and found[1] != tokens:
            raise _RowMistake(f"has {found[0]} {found[1]} and {shown} {int(tokens)}: give one")
        found = found or (shown, int(tokens))
    return None if found is None else found[1]


def _blocks(fields: Mapping[str, tuple[str, object]], row: _Row, scan: _Scan) -> None:
    """What the row's hash_ids tell of the form of the trace."""
    numbers = fields["hash_ids"][1] if "hash_ids" in fields else None
    if not isinstance(numbers, list) or not row.prompt_tokens:
        scan.blocks.clear()
        return
    if scan.blocks:
        scan.blocks &= {block for block in scan.blocks if len(numbers) == -(-row.prompt_tokens // block)}
    if not scan.rows:
        scan.ours = row.time == 0 and OUR_BLOCK in scan.blocks and numbers == list(range(len(numbers)))


def _number(shown: str, value: object) -> float:
    """The number of a field: JSON's own, or a text of plain ASCII digits; whole ones as int, exactly."""
    if isinstance(value, str) and len(value) <= 80 and _DECIMAL.fullmatch(value.strip()):
        text = value.strip()
        number: float = int(text) if text.lstrip("+-").isdigit() else float(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    else:
        number = math.nan
    if not (isinstance(number, int) or math.isfinite(number)):
        raise _RowMistake(f"{shown} {quoted(value)}: must be a number")
    return number


def _given(value: object) -> str:
    """The value as it stands in the file: a text in quotes, a number without."""
    return quoted(value) if isinstance(value, str) else str(value)[:40]
