"""A trace: due times, and where known lengths, recorded elsewhere and replayed (docs/prompts.md).

JSONL with one object a line, or CSV with a header. When: `due_s` (s after the start of the run), or one of
`timestamp` (ms, Mooncake), `Timestamp` (s, BurstGPT), `TIMESTAMP` (date and time, Azure), whose smallest
is the start of the run. Lengths: `prompt_tokens`, `input_length`, `Request tokens` or `ContextTokens`;
`output_tokens`, `output_length`, `Response tokens` or `GeneratedTokens`. Other fields are passed over.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from chatload.errors import UsageError

DUE_FIELDS = {"due_s": 1e9, "timestamp": 1e6, "Timestamp": 1e9, "TIMESTAMP": 0.0}
"""Field to ns per unit; 0 for a date and time."""
PROMPT_FIELDS = ("prompt_tokens", "input_length", "Request tokens", "ContextTokens")
OUTPUT_FIELDS = ("output_tokens", "output_length", "Response tokens", "GeneratedTokens")
ZERO_IS_UNKNOWN = ("Response tokens", "GeneratedTokens")
"""Logs of real services write 0 for a request that failed: its answer's length is not known."""
MOST_MISTAKES = 20


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One request of a trace; a length that the trace does not tell is None."""

    due_ns: int
    prompt_tokens: int | None = None
    output_tokens: int | None = None


class _Wrong(Exception):
    """What is wrong with one row, and the remedy."""


def read_trace(path: str | Path) -> tuple[TraceRow, ...]:
    """The rows of a trace file in the order they are due. Raises UsageError naming every bad line."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError([f"{path}: {error.strerror}: give a trace file (JSONL or CSV)"]) from None
    except UnicodeDecodeError as error:
        raise UsageError([f"{path}: byte {error.start} is not UTF-8: save the trace as UTF-8"]) from None
    rows: list[TraceRow] = []
    mistakes: list[str] = []
    fields: set[str] = set()
    for number, content in _objects(text):
        try:
            rows.append(_row(content, fields))
        except _Wrong as wrong:
            mistakes.append(f"{path}:{number}: {wrong}")
    if len(fields) > 1:
        mistakes.insert(
            0, f"{path}: some rows have {' and some '.join(sorted(fields))}: use one of them throughout"
        )
    if not rows and not mistakes:
        mistakes.append(f'{path}: holds no row: write one a line, such as {{"due_s": 0.5}}')
    if mistakes:
        more = len(mistakes) - MOST_MISTAKES
        raise UsageError(mistakes[:MOST_MISTAKES] + ([f"{path}: and {more} more like these"] * (more > 0)))
    first_ns = 0 if "due_s" in fields else min(row.due_ns for row in rows)
    return tuple(
        sorted((replace(row, due_ns=row.due_ns - first_ns) for row in rows), key=lambda row: row.due_ns)
    )


def _objects(text: str) -> Iterator[tuple[int, Any]]:
    """Line number and content of every row: a mapping, or None where the line cannot be read."""
    if text.lstrip().startswith("{"):
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    yield number, orjson.loads(line)
                except orjson.JSONDecodeError:
                    yield number, None
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for content in reader:
        yield reader.line_num, content


def _row(content: Any, fields: set[str]) -> TraceRow:
    if not isinstance(content, Mapping):
        raise _Wrong('not a JSON object: write rows such as {"due_s": 0.5}')
    given = [name for name in DUE_FIELDS if content.get(name) not in (None, "")]
    if len(given) != 1:
        have = f"both {' and '.join(given)}" if given else "neither due_s (s) nor timestamp (ms)"
        raise _Wrong(f"has {have}: give one")
    name = given[0]
    fields.add(name)
    due_ns = _due_ns(name, content[name])
    return TraceRow(due_ns, _tokens(content, PROMPT_FIELDS), _tokens(content, OUTPUT_FIELDS))


def _due_ns(name: str, value: object) -> int:
    """ns after the field's own origin. Date and time without a zone is UTC: only differences count."""
    if DUE_FIELDS[name]:
        due = _number(name, value)
        if due < 0:
            raise _Wrong(f"{name} {value!r}: must be 0 or more")
        return round(due * DUE_FIELDS[name])
    try:
        at = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise _Wrong(f"{name} {str(value)[:40]!r}: must be like 2023-11-16 18:17:03.98") from None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _tokens(content: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of `names` that the row has, as a whole number of tokens."""
    for name in names:
        value = content.get(name)
        if value not in (None, ""):
            tokens = _number(name, value)
            if tokens == 0 and name in ZERO_IS_UNKNOWN:
                return None
            if tokens != int(tokens) or tokens < 1:
                raise _Wrong(f"{name} {value!r}: must be a whole number of at least 1")
            return int(tokens)
    return None


def _number(name: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _Wrong(f"{name} {str(value)[:40]!r}: must be a number")
    return number
