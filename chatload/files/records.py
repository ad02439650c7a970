"""Reads files of records: JSON lines, a JSON list, CSV, Parquet, and datasets of Hugging Face.

The form of a file is recognised by its content.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from chatload.files.datasets import TEXT_SUFFIXES, Rows, dataset_files, notes_of
from chatload.files.json_list import JsonList
from chatload.files.reading import BOM, LINE_BYTES, LINES_BYTES, MB, Mistakes, opened_input, read_lines
from chatload.model.errors import UsageError

OBJECT_BYTES = 64 * MB
"""Largest JSON object that holds the list of records, in bytes."""
DELIMITERS = ",;\t|"
LISTS = ("data", "records", "rows", "requests", "trace", "train", "samples", "examples", "entries")
"""Keys under which a JSON object holds the list of records."""
SAMPLE_LINES = 50
"""First lines of a CSV file, by which its delimiter is recognised."""
DELIMITER_REMEDY = (
    "give it a header and quote its fields, or save it as JSON lines; plain text, a prompt a line, as .txt"
)
_SEPARATOR = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
"""A first line by which Excel declares the delimiter."""
csv.field_size_limit(LINE_BYTES)


class Record(NamedTuple):
    """One record. `line`: its line in the file; `item`: its number in a JSON list; both from 1.

    `content`: a JSON value, or texts by CSV column. `problem`: why it cannot be read, else empty.
    """

    content: object
    line: int | None = None
    item: int | None = None
    problem: str = ""


class Records:
    """The records of a file or a dataset's folder.

    `headless`: a CSV file has no header. `plain`: a file that is not JSON is plain text, each line a record.
    `form`, once the first was read: "JSON lines", "JSON list", "CSV", "text", "Parquet" or the like.
    `notes`, after the last: what was not read.
    """

    def __init__(
        self,
        path: str | Path,
        remedy: str,
        mistakes: Mistakes,
        *,
        headless: bool = False,
        plain: bool = False,
    ) -> None:
        self.form = ""
        self.columns: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._path, self._remedy, self._mistakes = path, remedy, mistakes
        self._headless, self._plain = headless, plain

    def __iter__(self) -> Iterator[Record]:
        """Every record. Mistakes in the file as a whole are added to the Mistakes, or raise UsageError."""
        files = dataset_files(self._path)
        if files is not None:
            yield from self._dataset(files)
            return
        lines = read_lines(self._path, self._remedy, self._mistakes)
        filled = (line for line in lines if line[1].strip())
        head = list(itertools.islice(filled, 1))
        if not head:
            return
        first = head[0][1].strip()
        if b"\0" in first:
            raise UsageError([f"{self._mistakes.name}:{head[0][0]}: binary content, no text: {self._remedy}"])
        if self._headless or not first.startswith((b"{", b"[")):
            texts = _decoded(itertools.chain(head, lines), self._mistakes.name)
            yield from self._texts(texts) if self._plain else self._csv(texts)
            return
        head += itertools.islice(filled, 1)
        content, _ = _value(first)
        if first.startswith(b"{"):
            by_lines = content is not None and (len(head) > 1 or _list_in(content) is None)
        else:
            by_lines = content is not None and len(head) > 1 and head[1][1].lstrip().startswith(b"[")
        if by_lines:
            yield from self._lines(itertools.chain(head, filled))
        elif first.startswith(b"["):
            yield from self._list()
        else:
            yield from self._object(itertools.chain(head, filled))

    def _dataset(self, files: list[Path]) -> Iterator[Record]:
        """The rows of Parquet and Arrow files, or the records of a folder's text files, numbered as one list."""
        number = 0
        if files[0].suffix in TEXT_SUFFIXES and not Path(self._path).is_file():
            for file in files:
                within = Records(file, self._remedy, self._mistakes)
                for record in within:
                    number += 1
                    yield record._replace(line=None, item=number)
                self.form, self.columns = f"dataset of {within.form}", within.columns
            return
        rows = Rows(files)
        self.form = "Parquet" if files[0].suffix == ".parquet" else "Arrow"
        for number, row in enumerate(rows, start=1):
            self.columns = self.columns or tuple(row)
            yield Record(row, item=number)
        self.notes = notes_of(rows)

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
        """One JSON object over several lines: the list in it, or itself; if it is none, JSON lines with mistakes."""
        with opened_input(self._path, self._remedy, LINES_BYTES) as file:
            raw = file.read(OBJECT_BYTES + 1)
        try:
            content = orjson.loads(raw.removeprefix(BOM)) if len(raw) <= OBJECT_BYTES else None
        except orjson.JSONDecodeError:
            content = None
        if content is not None:
            self.form = "JSON list"
            listed = _list_in(content)
            for number, item in enumerate([content] if listed is None else listed, start=1):
                yield Record(item, item=number)
            return
        yield from self._lines(rest)

    def _texts(self, texts: Iterator[tuple[int, str]]) -> Iterator[Record]:
        self.form = "text"
        for number, text in texts:
            if text.strip():
                yield Record(text.strip(), number)

    def _csv(self, texts: Iterator[tuple[int, str]]) -> Iterator[Record]:
        self.form = "CSV"
        sample = list(itertools.islice(texts, SAMPLE_LINES))
        declared = _SEPARATOR.fullmatch(sample[0][1])
        above = sample[0][0] - 1 + bool(declared)
        first = [text for _, text in sample[bool(declared) :]]
        delimiter = declared[1] if declared else self._delimiter(first, above + 1)
        reader = csv.reader(
            itertools.chain(first, (text for _, text in texts)), delimiter=delimiter, strict=True
        )
        try:
            if not self._headless:
                self.columns = tuple(name.strip() for name in next(reader, ()))
                twice = next((name for name in self.columns if name and self.columns.count(name) > 1), None)
                if twice is not None:
                    self._mistakes.add(f"two columns are named {twice[:40]!r}: rename one", above + 1)
                    return
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield self._row(row, above + reader.line_num)
        except csv.Error as error:
            words = f"not CSV ({error}): is a quote open?"
            if "new-line character" in str(error):
                words = "its lines end in CR alone: save it with LF"
            self._mistakes.add(words, above + reader.line_num)

    def _delimiter(self, lines: list[str], line: int) -> str:
        """The delimiter of the columns. UsageError if it is ambiguous in a file without a header."""
        if not self._headless:
            return likeliest_delimiter(lines[0])
        found = possible_delimiters(lines)
        if len(found) > 1:
            signs = " or ".join(map(repr, found))
            raise UsageError(
                [f"{self._mistakes.name}:{line}: {signs} may divide its columns: {DELIMITER_REMEDY}"]
            )
        return found[0] if found else likeliest_delimiter(lines[0])

    def _row(self, row: list[str], line: int) -> Record:
        if self._headless:
            self.columns = self.columns or tuple(str(place) for place in range(1, len(row) + 1))
            if len(row) != len(self.columns):
                words = f"{len(row)} columns, and {len(self.columns)} in the first line: {DELIMITER_REMEDY}"
                return Record(None, line=line, problem=words)
        more = row[len(self.columns) :]
        if any(cell.strip() for cell in more):
            words = f"{len(row)} fields for {len(self.columns)} columns: quote fields that hold commas"
            return Record(None, line=line, problem=words)
        return Record(dict(zip(self.columns, row, strict=False)), line=line)


def first_row(path: Path, delimiter: str = "") -> list[str] | None:
    """The cells of the first line of a CSV file; None if it cannot be read. `delimiter` "": the likeliest."""
    try:
        with opened_input(path, "", LINES_BYTES) as file:
            line = file.readline(LINE_BYTES).removeprefix(BOM).decode()
    except (UsageError, UnicodeDecodeError):
        return None
    return next(csv.reader([line], delimiter=delimiter or likeliest_delimiter(line)), [])


def first_lines(path: Path) -> list[str]:
    """The lines by which the delimiter of a CSV file is recognised; empty if it cannot be read."""
    mistakes = Mistakes(path)
    try:
        lines = _decoded(read_lines(path, "", mistakes), mistakes.name)
        return [text for _, text in itertools.islice(lines, SAMPLE_LINES) if text.strip()]
    except UsageError:
        return []


def possible_delimiters(lines: list[str]) -> list[str]:
    """Those of DELIMITERS that split all lines into the same number of columns, two or more."""
    found = []
    for sign in DELIMITERS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=sign, strict=True) if row}
        except csv.Error:
            continue
        if len(widths) == 1 and widths != {1}:
            found.append(sign)
    return found


def likeliest_delimiter(header: str) -> str:
    """The most frequent of DELIMITERS in a header."""
    return max(DELIMITERS, key=lambda sign: (header.count(sign), sign == ","))


def _value(line: bytes) -> tuple[object, str]:
    """(value of a line of JSON, its problem or ""); a comma at the end is ignored.

    A key that is twice in the outermost object is a problem: one of its values would be lost.
    """
    try:
        content = orjson.loads(line.removesuffix(b","))
    except orjson.JSONDecodeError as error:
        why = "a number that is none (NaN)" if b"NaN" in line or b"Infinity" in line else str(error)[:60]
        return None, f"not a JSON object in UTF-8 ({why})"
    if type(content) is dict:
        for key in content:
            if line.count(b'"%b"' % key.encode()) > 1:
                twice = _duplicate_key(line.removesuffix(b","))
                return content, "" if twice is None else f"{twice[:40]!r} stands twice in it: give one"
    return content, ""


def _duplicate_key(line: bytes) -> str | None:
    """The first key that is twice in the outermost object."""
    outermost: list[tuple[str, object]] = []

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal outermost
        outermost = pairs  # the outermost object ends last
        return dict(pairs)

    json.loads(line, object_pairs_hook=keep)
    names = [name for name, _ in outermost]
    return next((name for name in names if names.count(name) > 1), None)


def _list_in(content: object) -> list[object] | None:
    """The list of records under one of LISTS in a JSON object; None if there is none."""
    if not isinstance(content, Mapping):
        return None
    found = [content[key] for key in LISTS if isinstance(content.get(key), list)]
    if len(found) != 1 or not all(isinstance(item, dict) for item in found[0]):
        return None
    by_index = all({"row_idx", "row"} <= item.keys() for item in found[0])  # Hugging Face's viewer
    return [item["row"] for item in found[0]] if by_index else found[0]


def _decoded(lines: Iterable[tuple[int, bytes]], name: str) -> Iterator[tuple[int, str]]:
    """Lines as text. UsageError for one that is not UTF-8."""
    before = 0
    for number, line in lines:
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            at = before + error.start
            raise UsageError([f"{name}:{number}: byte {at} is not UTF-8: save the file as UTF-8"]) from None
        before += len(line)
