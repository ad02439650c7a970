"""Reads the rows of a trace one by one. Their times are numbers in a unit not yet known, or dates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from chatload.files.columns import SESSIONS, plain
from chatload.files.reading import quoted
from chatload.files.records import Record
from chatload.loads.trace_columns import (
    ANSWERS,
    COUNTS,
    DUE_COLUMN,
    NESTED,
    PROMPTS,
    TEXTS,
    TIME_UNITS,
    ZERO_IS_UNKNOWN,
)
from chatload.loads.trace_sessions import DELAYS, NOWHERE, TURNS, Place, place_of
from chatload.loads.trace_unit import MOONCAKE_BLOCK, OUR_BLOCK

MOST_TOKENS = 1_000_000
MOST_COLUMNS, BLOCK_ROWS = 256, 10_000
"""Most names of columns that are collected; first rows whose hash_ids decide on the length of blocks."""
MOST_DELAY_NS = 86_400 * 10**9
LATEST_S, LATEST = 1e15, 1e20
"""Largest value of due_s, and of other columns of times (Unix times in ns fit)."""
_COMMA = re.compile(r"[0-9]+,[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class RowMistake(Exception):
    """A mistake in one row."""


class Row(NamedTuple):
    """One row: its time is a number in a unit not yet known, ns if it was a date, NaN if there is none."""

    time: float
    is_date: bool
    prompt_tokens: int | None
    output_tokens: int | None
    line: int | None
    item: int | None
    place: Place = NOWHERE
    delay_ns: int | None = None
    blocks: tuple[int, ...] = ()
    text: str = ""


@dataclass(slots=True)
class Scan:
    """The rows read so far, and facts that decide on unit and format of the trace."""

    rows: list[Row] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Plain name of each column of times, by its name in the file."""
    columns: set[str] = field(default_factory=set)
    whole: bool = True
    zones: set[bool] = field(default_factory=set)
    blocks: set[int] = field(default_factory=lambda: {MOONCAKE_BLOCK, OUR_BLOCK})
    conversations: int = 0
    """Records that hold all turns of a conversation."""
    ours: bool = False


def read_row(record: Record, scan: Scan) -> None:
    """Add a record to the scan: a row, or the turns of a conversation. Raises RowMistake."""
    content = record.content
    if record.problem:
        raise RowMistake(record.problem)
    if not isinstance(content, Mapping):
        raise RowMistake('not a JSON object: write rows such as {"due_s": 0.5}')
    turns = content.get(TURNS)
    if isinstance(turns, list) and turns and all(isinstance(one, Mapping) for one in turns):
        _read_turns(content, turns, record, scan)
        return
    _read_one(content, record, scan)


def _read_turns(
    content: Mapping[str, object], turns: list[Mapping[str, object]], record: Record, scan: Scan
) -> None:
    """Add the turns of a conversation (AIPerf's multi-turn files)."""
    scan.conversations += 1
    named = next((content[name] for name in SESSIONS if content.get(name) not in (None, "")), None)
    session = Place(session=str(named) if named is not None else ("turns", scan.conversations))
    for number, turn in enumerate(turns, start=1):
        text = _text_of(turn)
        if not text and not {"input_length", "hash_ids"} & turn.keys():
            raise RowMistake(f"turn {number} has no text")
        try:
            _read_one(turn, record, scan, session, text)
        except RowMistake as wrong:
            raise RowMistake(f"turn {number}: {wrong}") from None


def _text_of(turn: Mapping[str, object]) -> str:
    """The text of a turn, several joined; each is a string, or a list of strings under "contents"."""
    found = turn.get("text") or turn.get("texts") or turn.get("text_input") or ""
    parts = found if isinstance(found, list) else [found]
    texts: list[object] = []
    for part in parts:
        contents = part.get("contents") if isinstance(part, Mapping) else [part]
        texts += contents if isinstance(contents, list) else []
    return "\n\n".join(one for one in texts if isinstance(one, str) and one.strip())


def _read_one(
    content: Mapping[str, object], record: Record, scan: Scan, place: Place | None = None, text: str = ""
) -> None:
    for name in NESTED:
        inner = content.get(name)
        if isinstance(inner, Mapping):
            content = {**inner, **content}
    layout = _layout(tuple(content))
    given = [name for name in layout.times if content[name] not in (None, "")]
    if not scan.columns.issuperset(layout.names) and len(scan.columns) < MOST_COLUMNS:
        scan.columns.update(one for one, name in layout.names.items() if content[name] not in (None, ""))
    place = place_of(content, layout.names) if place is None else place
    delay_ns = _delay(content, layout.names) if place.is_known else None
    follows = place.is_known and (delay_ns is not None or bool(text))
    if len(given) > 1 or (not given and not follows):
        have = f"both {' and '.join(given[:2])}" if given else f"neither {DUE_COLUMN} (s) nor a timestamp"
        raise RowMistake(f"has {have}: give one")
    _check_one_request(content, layout)
    time, is_date = math.nan, False
    if given:
        shown = given[0]
        name = scan.names.setdefault(shown, plain(shown))
        time, is_date = _time(name, shown, content[shown], scan)
    numbers = content.get(layout.names.get("hash_ids", ""))
    row = Row(
        time,
        is_date,
        _tokens(content, layout.prompts),
        _tokens(content, layout.answers),
        record.line,
        record.item,
        place,
        delay_ns,
        tuple(one for one in numbers if type(one) is int) if isinstance(numbers, list) else (),
        text,
    )
    _note_blocks(numbers, row, scan)
    scan.rows.append(row)


def _delay(content: Mapping[str, object], names: Mapping[str, str]) -> int | None:
    """ns from the end of the reply before to this turn; None if the row has no delay."""
    for known, ns in DELAYS.items():
        if known in names and content[names[known]] not in (None, ""):
            shown = names[known]
            delay = _number(shown, content[shown])
            if not 0 <= delay * ns <= MOST_DELAY_NS:
                raise RowMistake(f"{shown} {_given(content[shown])}: must be 0 or more, at most a day")
            return round(delay * ns)
    return None


def _check_one_request(content: Mapping[str, object], layout: _Layout) -> None:
    """Raise RowMistake for a row of several requests: a number of them, or a list."""
    if layout.prompts or layout.answers:
        return
    for name in layout.names.values():
        value = content[name]
        if isinstance(value, list) and value and isinstance(value[0], Mapping) and plain(name) not in TEXTS:
            raise RowMistake(f"{name} holds {len(value):,} requests: write one row for each")
    counts = [
        name for known, name in layout.names.items() if known in COUNTS and content[name] not in (None, "")
    ]
    if counts:
        raise RowMistake(
            f"{counts[0]} {_given(content[counts[0]])} counts requests: a trace has one row for each request"
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """The keys of a row: all by plain name, those of times, and (key, whether 0 means unknown) of lengths."""

    names: Mapping[str, str]
    times: tuple[str, ...]
    prompts: tuple[tuple[str, bool], ...]
    answers: tuple[tuple[str, bool], ...]


@lru_cache(maxsize=1024)
def _layout(keys: tuple[str, ...]) -> _Layout:
    names = {plain(key): key for key in keys}

    def lengths(known: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
        return tuple((names[one], one in ZERO_IS_UNKNOWN) for one in known if one in names)

    times = tuple(key for key in keys if plain(key) in TIME_UNITS)
    return _Layout(names, times, lengths(PROMPTS), lengths(ANSWERS))


def _time(name: str, shown: str, value: object, scan: Scan) -> tuple[float, bool]:
    """(the time as a number, or ns of a date since 1970; whether it is a date)."""
    if isinstance(value, str) and name != DUE_COLUMN and not _DECIMAL.fullmatch(value.strip()):
        return _date(shown, value, scan), True
    due = _number(shown, value)
    most = LATEST_S if name == DUE_COLUMN else LATEST
    if not 0 <= due <= most:
        raise RowMistake(f"{shown} {_given(value)}: must be 0 or more{f', at most {most:g}' * (due > 0)}")
    scan.whole = scan.whole and isinstance(due, int)
    return due, False


def _date(shown: str, value: str, scan: Scan) -> int:
    """ns of a date and time since 1970. Without a zone it is UTC: only differences count."""
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        comma = ", with a point for the comma" if _COMMA.fullmatch(value.strip()) else ""
        raise RowMistake(
            f"{shown} {quoted(value)}: must be a number{comma}, or like 2023-11-16 18:17:03.98"
        ) from None
    scan.zones.add(at.tzinfo is not None)
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _tokens(content: Mapping[str, object], columns: tuple[tuple[str, bool], ...]) -> int | None:
    """The number of tokens in the first of these columns that has one; RowMistake if two differ."""
    found: tuple[str, int] | None = None
    for name, zero_is_unknown in columns:
        value = content[name]
        if value in (None, ""):
            continue
        tokens = value if type(value) is int else _number(name, value)
        if tokens == 0 and zero_is_unknown:
            continue
        if tokens != int(tokens) or not 1 <= tokens <= MOST_TOKENS:
            raise RowMistake(f"{name} {_given(value)}: must be a whole number from 1 to {MOST_TOKENS:,}")
        if found is not None and found[1] != tokens:
            raise RowMistake(f"has {found[0]} {found[1]} and {name} {int(tokens)}: give one")
        found = found or (name, int(tokens))
    return None if found is None else found[1]


def _note_blocks(numbers: object, row: Row, scan: Scan) -> None:
    """Keep the block lengths that fit the row's hash_ids; note whether the first row is like chatload's own."""
    if not isinstance(numbers, list) or not row.prompt_tokens:
        scan.blocks.clear()
        return
    if scan.blocks and len(scan.rows) < BLOCK_ROWS:
        scan.blocks = {block for block in scan.blocks if len(numbers) == -(-row.prompt_tokens // block)}
    if not scan.rows:
        scan.ours = row.time == 0 and OUR_BLOCK in scan.blocks and numbers == list(range(len(numbers)))


def _number(shown: str, value: object) -> float:
    """The number in a field: a JSON number, or a decimal text in ASCII; whole numbers as exact int."""
    if isinstance(value, str) and len(value) <= 80 and _DECIMAL.fullmatch(value.strip()):
        text = value.strip()
        number: float = int(text) if text.lstrip("+-").isdigit() else float(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    else:
        number = math.nan
    if not (isinstance(number, int) or math.isfinite(number)):
        raise RowMistake(f"{shown} {quoted(value)}: must be a number")
    return number


def _given(value: object) -> str:
    """The value for a message: a text in quotes, a number without."""
    return quoted(value) if isinstance(value, str) else str(value)[:40]
