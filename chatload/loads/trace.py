"""Reads a trace: due times, and lengths where known, recorded elsewhere (docs/prompts.md).

JSONL with one object a line, or CSV with a header. When: `due_s` (s after the start of the run), or one of
`timestamp` (ms, Mooncake), `Timestamp` (s, BurstGPT), `TIMESTAMP` (date and time, Azure), whose smallest
is the start of the run. Lengths: `prompt_tokens`, `input_length`, `Request tokens` or `ContextTokens`;
`output_tokens`, `output_length`, `Response tokens` or `GeneratedTokens`. Other fields are passed over.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson

from chatload.files import Mistakes, quoted, read_lines
from chatload.model.errors import UsageError

DUE_FIELDS = {"due_s": 1e9, "timestamp": 1e6, "Timestamp": 1e9, "TIMESTAMP": 0.0}
"""Field to ns per unit; 0 for a date and time."""
PROMPT_FIELDS = ("prompt_tokens", "input_length", "Request tokens", "ContextTokens")
OUTPUT_FIELDS = ("output_tokens", "output_length", "Response tokens", "GeneratedTokens")
ZERO_IS_UNKNOWN = ("Response tokens", "GeneratedTokens")
"""Logs of services write 0 for a request that failed: the length of its answer is not known."""
MOST_ROWS, MOST_TOKENS = 1_000_000, 1_000_000
LONGEST_S = 31 * 86_400
"""Longest trace, in s."""
LATEST = 1e15
"""Largest value of a due field, so that due times fit into ns."""
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class TraceRow(msgspec.Struct, frozen=True):
    """One request of a trace; None for a length that the trace does not tell."""

    due_ns: int
    prompt_tokens: int | None = None
    output_tokens: int | None = None


class _RowMistake(Exception):
    """A mistake in one row."""


def read_trace(path: str | Path) -> tuple[TraceRow, ...]:
    """The rows of a trace file in the order they are due. Raises UsageError naming every bad line."""
    mistakes = Mistakes(path)
    rows: list[tuple[int, int, TraceRow]] = []
    fields: set[str] = set()
    for number, row in _objects(path, mistakes):
        try:
            found = _row(row, fields)
            rows.append((found.due_ns, number, found))
        except _RowMistake as wrong:
            mistakes.add(str(wrong), number)
        if len(rows) > MOST_ROWS:
            mistakes.add(f"more than {MOST_ROWS:,} rows: cut it there", number)
            break
    if len(fields) > 1:
        names = " and some ".join(sorted(fields))
        mistakes.lines.insert(0, f"{mistakes.name}: some rows have {names}: use one of them throughout")
    if not fields and len(mistakes.lines) != 1:  # no row can be read: report one mistake
        where = 1 if mistakes.lines else None
        mistakes = Mistakes(path)
        mistakes.add('holds no row: write one a line, such as {"due_s": 0.5}', where)
    mistakes.raise_all()
    rows.sort(key=lambda row: row[:2])
    first_ns = 0 if "due_s" in fields else rows[0][0]
    last_ns, number, _ = rows[-1]
    if last_ns - first_ns > LONGEST_S * 10**9:
        at_most = f"at most {LONGEST_S // 86_400} days"
        mistakes.add(f"due {(last_ns - first_ns) / 1e9:.4g} s after the start: {at_most}", number)
    mistakes.raise_all()
    if not first_ns:
        return tuple(row for _, _, row in rows)
    return tuple(TraceRow(due_ns - first_ns, row.prompt_tokens, row.output_tokens) for due_ns, _, row in rows)


def _objects(path: str | Path, mistakes: Mistakes) -> Iterator[tuple[int, object]]:
    """Line number and content of every row: a mapping, or None where the line cannot be read."""
    lines = read_lines(path, "give a trace file (JSONL or CSV)", mistakes)
    lines = itertools.dropwhile(lambda line: not line[1].strip(), lines)
    first = next(lines, None)
    if first is None:
        return
    lines = itertools.chain([first], lines)
    if first[1].lstrip().startswith(b"{"):
        for number, line in lines:
            if not line.isspace():
                yield number, _json(line)
        return
    reader = csv.DictReader(_decoded(lines, mistakes.name))
    above = first[0] - 1
    try:
        for row in reader:
            yield above + reader.line_num, row
    except csv.Error as error:
        mistakes.add(f"not CSV ({error}): is a quote open?", above + reader.line_num)


def _json(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _decoded(lines: Iterable[tuple[int, bytes]], name: str) -> Iterator[str]:
    """Lines of CSV as text."""
    before = 0
    for number, line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            at = before + error.start
            raise UsageError([f"{name}:{number}: byte {at} is not UTF-8: save the trace as UTF-8"]) from None
        before += len(line)


def _row(content: object, fields: set[str]) -> TraceRow:
    if not isinstance(content, Mapping):
        raise _RowMistake('not a JSON object: write rows such as {"due_s": 0.5}')
    given = [name for name in DUE_FIELDS if content.get(name) not in (None, "")]
    if len(given) != 1:
        have = f"both {' and '.join(given)}" if given else "neither due_s (s) nor timestamp (ms)"
        raise _RowMistake(f"has {have}: give one")
    name = given[0]
    fields.add(name)
    due_ns = _due_ns(name, content[name])
    return TraceRow(due_ns, _tokens(content, PROMPT_FIELDS), _tokens(content, OUTPUT_FIELDS))


def _due_ns(name: str, value: object) -> int:
    """ns after the field's own origin. Date and time without a zone is UTC: only differences count."""
    if DUE_FIELDS[name]:
        due = _number(name, value)
        if not 0 <= due <= LATEST:
            raise _RowMistake(
                f"{name} {_given(value)}: must be 0 or more{f', at most {LATEST:g}' * (due > 0)}"
            )
        return round(due * DUE_FIELDS[name])
    try:
        at = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise _RowMistake(f"{name} {quoted(value)}: must be like 2023-11-16 18:17:03.98") from None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _tokens(content: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    """The first of `names` that the row has, as a whole number of tokens."""
    for name in names:
        value = content.get(name)
        if value not in (None, ""):
            tokens = _number(name, value)
            if tokens == 0 and name in ZERO_IS_UNKNOWN:
                return None
            if tokens != int(tokens) or not 1 <= tokens <= MOST_TOKENS:
                raise _RowMistake(f"{name} {_given(value)}: must be a whole number from 1 to {MOST_TOKENS:,}")
            return int(tokens)
    return None


def _number(name: str, value: object) -> float:
    """The number of a field: JSON's own, or a text of plain ASCII digits."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_text = isinstance(value, str) and len(value) <= 80 and _DECIMAL.fullmatch(value.strip())
    number = float(value) if is_number or is_text else math.nan  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise _RowMistake(f"{name} {quoted(value)}: must be a number")
    return number


def _given(value: object) -> str:
    """The value as it stands in the file: a text in quotes, a number without."""
    return quoted(value) if isinstance(value, str) else str(value)[:40]
