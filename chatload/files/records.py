"""Reads files of records: JSON lines, a JSON list, or CSV with a header. Which of them a file is, its content tells."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from chatload.files.json_list import JsonList
from chatload.files.reading import BOM, LINE_BYTES, LINES_BYTES, MB, Mistakes, opened_input, read_lines
from chatload.model.errors import UsageError

OBJECT_BYTES = 64 * MB
"""Largest JSON object that holds the list of records, in bytes."""
DELIMITERS = ",;\t|"
LISTS = ("data", "records", "rows", "requests", "trace", "train", "samples", "examples", "entries")
"""Keys under which a JSON object holds the list of records."""
csv.field_size_limit(LINE_BYTES)


class Record(NamedTuple):
    """One record. `line` is its line, `item` its number in a JSON list, both from 1.

    `content` is a JSON value, or a mapping of CSV columns to texts. Where it cannot be read, `problem` says why.
    """

    content: object
    line: int | None = None
    item: int | None = None
    problem: str = ""


class Records:
    """The records of a file. `form` is "JSON lines", "JSON list" or "CSV" once the first one was read."""

    def __init__(self, path: str | Path, remedy: str, mistakes: Mistakes, *, headless: bool = False) -> None:
        self.form = ""
        self.columns: tuple[str, ...] = ()
        self._path, self._remedy, self._mistakes = path, remedy, mistakes
        self._headless = headless

    def __iter__(self) -> Iterator[Record]:
        """Every record. Mistakes in the file as a whole go to the Mistakes, or raise UsageError."""
        lines = read_lines(self._path, self._remedy, self._mistakes)
        filled = (line for line in lines if line[1].strip())
        head = list(itertools.islice(filled, 1))
        if not head:
            return
        first = head[0][1].strip()
        if b"\0" in first:
            raise UsageError([f"{self._mistakes.name}:{head[0][0]}: binary content, no text: {self._remedy}"])
        if self._headless or not first.startswith((b"{", b"[")):
            yield from self._csv(itertools.chain(head, lines))
            return
        head += itertools.islice(filled, 1)
        content, _ = _value(first)
        if first.startswith(b"{"):
            by_lines = content is not None and (len(head) > 1 or _listed(content) is None)
        else:
            by_lines = content is not None and len(head) > 1 and head[1][1].lstrip().startswith(b"[")
        if by_lines:
            yield from self._lines(itertools.chain(head, filled))
        elif first.startswith(b"["):
            yield from self._list()
        else:
            yield from self._object(itertools.chain(head, filled))

    def _lines(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        self.form = "JSON lines"
        for number, line in lines:
            content, problem = _value(line.strip())
            yield Record(content, number, None, problem)

    def _list(self) -> Iterator[Record]:
        self.form = "JSON list"
        scan, number = JsonList(LINES_BYTES), 0
        with opened_input(self._path, self._remedy, LINES_BYTES) as file:
            for number, item in enumerate(scan.items(file), start=1):
                yield Record(item, item=number)
        if not scan.closed:
            self._mistakes.add(f"item {number + 1} is no JSON, or the list ends there without its ]")

    def _object(self, rest: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        """One JSON object over several lines: the list in it, or itself; else lines, with their mistakes."""
        with opened_input(self._path, self._remedy, LINES_BYTES) as file:
            raw = file.read(OBJECT_BYTES + 1)
        try:
            content = orjson.loads(raw.removeprefix(BOM)) if len(raw) <= OBJECT_BYTES else None
        except orjson.JSONDecodeError:
            content = None
        if content is not None:
            self.form = "JSON list"
            listed = _listed(content)
            for number, item in enumerate([content] if listed is None else listed, start=1):
                yield Record(item, item=number)
            return
        yield from self._lines(rest)

    def _csv(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        self.form = "CSV"
        texts = _decoded(lines, self._mistakes.name)
        above, head = next(texts)
        delimiter = _delimiter(head)
        reader = csv.reader(
            itertools.chain([head], (text for _, text in texts)), delimiter=delimiter, strict=True
        )
        above -= 1
        try:
            if not self._headless:
                self.columns = tuple(name.strip() for name in next(reader))
                twice = next((name for name in self.columns if name and self.columns.count(name) > 1), None)
                if twice is not None:
                    self._mistakes.add(f"two columns are named {twice[:40]!r}: rename one", above + 1)
                    return
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield self._row(row, above + reader.line_num)
        except csv.Error as error:
            self._mistakes.add(f"not CSV ({error}): is a quote open?", above + reader.line_num)

    def _row(self, row: list[str], line: int) -> Record:
        if self._headless:
            return Record({str(place): cell for place, cell in enumerate(row, start=1)}, line=line)
        more = row[len(self.columns) :]
        if any(cell.strip() for cell in more):
            words = f"{len(row)} fields for {len(self.columns)} columns: quote fields that hold commas"
            return Record(None, line=line, problem=words)
        return Record(dict(zip(self.columns, row, strict=False)), line=line)


def first_row(path: Path) -> list[str] | None:
    """The cells of the first line of a CSV file; None if it cannot be read."""
    try:
        with opened_input(path, "", LINES_BYTES) as file:
            line = file.readline(LINE_BYTES).removeprefix(BOM).decode()
    except (UsageError, UnicodeDecodeError):
        return None
    return next(csv.reader([line], delimiter=_delimiter(line)), [])


def _delimiter(head: str) -> str:
    """The one of DELIMITERS that stands most often in a header."""
    return max(DELIMITERS, key=lambda sign: (head.count(sign), sign == ","))


def _value(line: bytes) -> tuple[object, str]:
    """(a line of JSON, what is wrong with it); a comma after it is passed over.

    A key that stands twice in the outermost object is wrong: one of the two values would be lost.
    """
    try:
        content = orjson.loads(line.removesuffix(b","))
    except orjson.JSONDecodeError as error:
        why = "a number that is none (NaN)" if b"NaN" in line or b"Infinity" in line else str(error)[:60]
        return None, f"not a JSON object in UTF-8 ({why})"
    if type(content) is dict:
        for key in content:
            if line.count(b'"%b"' % key.encode()) > 1:
                twice = _stands_twice(line.removesuffix(b","))
                return content, "" if twice is None else f"{twice[:40]!r} stands twice in it: give one"
    return content, ""


def _stands_twice(line: bytes) -> str | None:
    """The first key that stands twice in the outermost object."""
    outermost: list[tuple[str, object]] = []

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal outermost
        outermost = pairs  # the outermost object ends last
        return dict(pairs)

    json.loads(line, object_pairs_hook=keep)
    names = [name for name, _ in outermost]
    return next((name for name in names if names.count(name) > 1), None)


def _listed(content: object) -> list[object] | None:
    """The list of records that a JSON object holds under one of LISTS; None if it holds none."""
    if not isinstance(content, Mapping):
        return None
    found = [content[key] for key in LISTS if isinstance(content.get(key), list)]
    return found[0] if len(found) == 1 and all(isinstance(item, dict) for item in found[0]) else None


def _decoded(lines: Iterable[tuple[int, bytes]], name: str) -> Iterator[tuple[int, str]]:
    """Lines of CSV as text."""
    before = 0
    for number, line in lines:
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            at = before + error.start
            raise UsageError([f"{name}:{number}: byte {at} is not UTF-8: save the file as UTF-8"]) from None
        before += len(line)
