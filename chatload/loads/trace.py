"""Reads a trace: due times, and lengths where known, recorded elsewhere (docs/interchange.md).

JSON lines, a JSON list, or CSV with a header. trace_columns.py has the known columns; others are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from chatload.files.columns import plain
from chatload.files.reading import Mistakes, quoted
from chatload.files.records import Records
from chatload.loads.trace_columns import (
    DUE_COLUMN,
    TEXTS,
    TIME_UNITS,
    UNITS,
    form_of,
)
from chatload.loads.trace_rows import Row, RowMistake, Scan, read_row
from chatload.loads.trace_sessions import chains_of, whole_prompts
from chatload.loads.trace_unit import Found, Numbers, unit_of
from chatload.model.words import percent, plural

MOST_ROWS = 1_000_000
MOST_BLOCKS = 20_000_000
"""Most block ids that are used."""
LONGEST_S = 31 * 86_400
"""Longest trace, in s."""
REMEDY = "give a trace file (JSON lines, a JSON list or CSV)"


class TraceRow(msgspec.Struct, frozen=True):
    """One request of a trace; None for an unknown length.

    `delay_ns`: time from the end of the reply before it in its conversation, if the trace has that in place of a time.
    `blocks`: ids of the blocks of its prompt. `text`: the user's message, if the trace has texts to send.
    """

    due_ns: int
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    delay_ns: int | None = None
    blocks: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows of a trace in order of due time. `notes`: for the user, on how the file was read.

    `chains`: indexes of the rows of each conversation, in order; empty if the trace has no conversations.
    `block_tokens`: tokens of each block. `is_timed`: the trace has times; else `--interval` spaces its conversations.
    `grows`: prompt lengths include the history.
    """

    rows: tuple[TraceRow, ...]
    notes: tuple[str, ...] = ()
    chains: tuple[tuple[int, ...], ...] = ()
    block_tokens: int = 0
    is_timed: bool = True
    grows: bool = True


def read_trace(path: str | Path, unit: str = "") -> Trace:
    """The trace in a file. `unit`: of times whose column name has none; empty: found from the numbers.

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
    if not scan.names and not (scan.rows and scan.conversations):  # no row can be read: report one mistake
        mistakes = _one_mistake(path, records, scan, mistakes)
    mistakes.raise_all()
    if not scan.names:
        return _untimed(path, scan, records)
    found = _unit(scan, unit, mistakes)
    mistakes.raise_all()
    made = _trace(path, scan, found, mistakes, asked=bool(unit))
    notes = (*made.notes, *(f"--trace {Path(path).name}: {words}" for words in records.notes))
    return replace(made, notes=notes)


def _one_mistake(path: str | Path, records: Records, scan: Scan, found: Mistakes) -> Mistakes:
    """One mistake for a file without a row that can be read."""
    columns = records.columns or tuple(sorted(scan.columns))
    one = Mistakes(path)
    if columns and not any(plain(name) in TIME_UNITS for name in columns):
        one.add(
            f"no column of times among {', '.join(map(quoted, columns[:8]))}: name one {DUE_COLUMN} (s), or timestamp",
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
    timed = [row for row in scan.rows if row.is_date or not math.isnan(row.time)]
    if any(row.is_date for row in timed):
        if not all(row.is_date for row in timed):
            mistakes.add(f"some rows have a number as {shown} and some a date: use one of them throughout")
        if len(scan.zones) > 1:
            mistakes.add(f"some dates of {shown} have a time zone and some have none: give all of them one")
        return Found("ns")
    named = TIME_UNITS[name]
    if named and asked and named != asked:
        mistakes.add(f"{shown} is in {named}, --trace-unit says {asked}: leave the option out")
    form = form_of(frozenset(scan.columns))
    if form is None and not (named or asked) and (scan.conversations or "delay" in scan.columns):
        return Found("ms")  # AIPerf's files
    if named or asked or form is not None:
        return Found(named or asked or form.unit)  # type: ignore[union-attr]
    numbers = Numbers(
        [row.time for row in timed],
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
    """A note on rows without the length of their prompt or of their answer."""
    unknown = []
    for what, known in (
        ("prompt", sum(row.prompt_tokens is not None for row in scan.rows)),
        ("answer", sum(row.output_tokens is not None for row in scan.rows)),
    ):
        if known < len(scan.rows):
            unknown.append(
                f"{len(scan.rows) - known:,} of {len(scan.rows):,} rows have no length of the {what}"
            )
    if not unknown:
        return []
    return [f"--trace {Path(path).name}: {', '.join(unknown)}: lengths of ShareGPT's are drawn for them"]


def _trace(path: str | Path, scan: Scan, found: Found, mistakes: Mistakes, *, asked: bool) -> Trace:
    """The rows with due times, sorted. UsageError for a trace that takes too long."""
    ((shown, name),) = scan.names.items()
    ns = UNITS[found.unit]
    dues = _dues(scan, ns, mistakes)
    mistakes.raise_all()
    first = 0 if name == DUE_COLUMN else min(dues)
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
    if texts and not scan.conversations:
        notes.append(
            f"--trace {Path(path).name}: its {texts[0]} are not sent: prompts of its lengths are generated"
        )
    in_order = [scan.rows[index] for index in order]
    if not all(row.text for row in in_order):
        notes += _unknown_lengths(path, scan)
    chains, chain_notes = _conversations(path, in_order)
    block_tokens, block_notes = _block_tokens(path, scan, in_order)
    rows = tuple(
        _row(row, dues[index] - first, block_tokens) for index, row in zip(order, in_order, strict=True)
    )
    grows = whole_prompts(chains, [row.prompt_tokens for row in rows])
    return Trace(rows, (*notes, *chain_notes, *block_notes), chains, block_tokens, grows=grows)


def _row(row: Row, due_ns: int, block_tokens: int) -> TraceRow:
    blocks = row.blocks if block_tokens else ()
    return TraceRow(due_ns, row.prompt_tokens, row.output_tokens, row.delay_ns, blocks, row.text)


def _dues(scan: Scan, ns: int, mistakes: Mistakes) -> list[int]:
    """Due time of each row, in ns; of a row with a delay only, that of the row before it in its conversation."""
    dues: list[int] = []
    last: dict[object, int] = {}
    for row in scan.rows:
        due = last.get(row.place) if math.isnan(row.time) else round(row.time * ns)
        if due is None:
            mistakes.add("has no time, and no row before it is of its conversation", row.line, row.item)
            due = 0
        dues.append(due)
        if row.place.is_known:
            last[row.place] = due
    return dues


def _untimed(path: str | Path, scan: Scan, records: Records) -> Trace:
    """Conversations without times: `--interval` and `--arrivals` space them."""
    chains, notes = _conversations(path, scan.rows)
    rows = tuple(_row(row, 0, 0) for row in scan.rows)
    notes += tuple(f"--trace {Path(path).name}: {words}" for words in records.notes)
    return Trace(rows, notes, chains or tuple((at,) for at in range(len(rows))), is_timed=False)


def _conversations(
    path: str | Path, rows: Sequence[Row]
) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """(indexes of the rows of each conversation, notes); empty if no conversation has two turns or more."""
    found, orphans = chains_of([row.place for row in rows])
    longer = [chain for chain in found if len(chain) > 1]
    if not longer:
        return (), ()
    delays = sum(rows[at].delay_ns is not None for chain in longer for at in chain[1:])
    after = sum(map(len, longer)) - len(longer)
    words = "the time of each is kept, where the reply before it has come"
    if delays == after:
        words = "each is sent its recorded time after the reply before it"
    elif delays:
        words = f"{delays:,} of {after:,} are sent their recorded time after the reply before, the others at their time"
    note = f"{plural(len(longer), 'conversation')} of two turns or more: turns are sent in order, and {words}"
    lost = f"; {orphans:,} rows follow one that is not in it" if orphans else ""
    return tuple(map(tuple, found)), (f"--trace {Path(path).name}: {note}{lost}",)


def _block_tokens(path: str | Path, scan: Scan, rows: Sequence[Row]) -> tuple[int, tuple[str, ...]]:
    """(tokens of a block, notes); 0 if the rows have no hash_ids, or none that can be used."""
    with_ids = sum(bool(row.blocks) for row in rows)
    if not with_ids:
        return 0, ()
    why = ""
    if len(scan.blocks) != 1 or with_ids < len(rows):
        why = "not every row has as many as its prompt has blocks of 512 or 16 tokens"
    elif sum(len(row.blocks) for row in rows) > MOST_BLOCKS:
        why = "there are too many"
    if why:
        return 0, (f"--trace {Path(path).name}: its hash_ids are not used: {why}",)
    (tokens,) = scan.blocks
    seen: set[int] = set()
    blocks = hits = 0
    for row in rows:
        blocks += len(row.blocks)
        hits += next((n for n, one in enumerate(row.blocks) if one not in seen), len(row.blocks))
        seen.update(row.blocks)
    note = (
        f"equal hash_ids are equal text of about {tokens} tokens: "
        f"{percent(hits / blocks)} of its blocks begin a prompt as an earlier one did"
    )
    return tokens, (f"--trace {Path(path).name}: {note}",)
