"""Reads files that options name: regular files of bounded size. Mistakes are messages for the user."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from chatload.model.errors import UsageError

MB = 1 << 20
MOST_MISTAKES = 20
"""Most mistakes that are listed for one file; the others are counted."""
LINE_BYTES = 4 * MB
"""Longest line, in bytes."""
LINES_BYTES = 256 * MB
"""Largest file that is read by lines, in bytes."""
BOM = b"\xef\xbb\xbf"
OTHER_CONTENT = {
    b"\x1f\x8b": "compressed (gzip): unpack it first, gunzip -k",
    b"pk\x03\x04": "a zip archive or a spreadsheet: unpack it, or save it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed (zstd): unpack it first, unzstd",
    b"bzh": "compressed (bzip2): unpack it first, bunzip2 -k",
    b"\xfd7zxz": "compressed (xz): unpack it first, unxz -k",
    b"par1": "Parquet: save it as JSON lines or CSV",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
    b"version https://git-lfs": "a pointer of Git LFS, without the content: git lfs pull",
    b"<!doctype html": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
}
"""First bytes, in lower case, of files that are given by mistake, and what to do."""
LONGEST_MAGIC = max(map(len, OTHER_CONTENT))


class Mistakes:
    """The mistakes in one file: the first MOST_MISTAKES, and how many more there are."""

    def __init__(self, path: str | Path) -> None:
        self.name = shown(path)
        self.lines: list[str] = []
        self._more = 0

    def add(self, words: str, line: int | None = None, item: int | None = None) -> None:
        """Add one mistake: in a line, in an item of a JSON list, or in the whole file."""
        if len(self.lines) < MOST_MISTAKES:
            place = f": item {item}" if item is not None else "" if line is None else f":{line}"
            self.lines.append(f"{self.name}{place}: {words}")
        else:
            self._more += 1

    def raise_all(self) -> None:
        """Raise UsageError with the mistakes, if there are any."""
        if self.lines:
            more = [f"{self.name}: and {self._more:,} more like these"] if self._more else []
            raise UsageError([*self.lines, *more])


def read_input(path: str | Path, remedy: str, most_bytes: int) -> bytes:
    """The content of a file without a byte order mark. UsageError with `remedy` if it cannot be read."""
    with opened_input(path, remedy, most_bytes) as file:
        content = file.read(most_bytes + 1) or b""  # None: nothing to read yet (non-blocking)
    if len(content) > most_bytes:  # it has grown, or its size is not known
        raise UsageError([_too_big(path, most_bytes, remedy)])
    return content.removeprefix(BOM)


def read_lines(path: str | Path, remedy: str, mistakes: Mistakes) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line with its end) of each line of a file. A line that is too long is a mistake.

    Holds one line at a time in memory. UsageError if the file cannot be read.
    """
    with opened_input(path, remedy, LINES_BYTES) as file:
        number = read = 0
        while line := file.readline(LINE_BYTES + 1):
            number += 1
            length = len(line)
            while length > LINE_BYTES and not line.endswith(b"\n") and read + length <= LINES_BYTES:
                line = file.readline(MB) or b"\n"
                length += len(line)
            read += length
            if read > LINES_BYTES:
                raise UsageError([_too_big(path, LINES_BYTES, remedy)])
            if length > LINE_BYTES:
                mistakes.add(f"{length:,} bytes on one line: at most {LINE_BYTES // MB} MB", number)
            else:
                yield number, line.removeprefix(BOM) if number == 1 else line


@contextmanager
def opened_input(path: str | Path, remedy: str, most_bytes: int) -> Iterator[BinaryIO]:
    """A regular file, open for reading; does not wait for the writer of a FIFO. UsageError if it cannot be opened."""
    name = shown(path)
    if "\0" in str(path):
        raise UsageError([f"{name}: no file's name: {remedy}"])
    try:
        _check(Path(path).stat(), path, remedy, most_bytes)
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            _check(os.fstat(file.fileno()), path, remedy, most_bytes)
            first = (file.read(LONGEST_MAGIC) or b"").lower()
            for magic, words in OTHER_CONTENT.items():
                if first.startswith(magic):
                    raise UsageError([f"{name}: it is {words}"])
            file.seek(0)
            yield file
    except OSError as error:
        raise UsageError([f"{name}: {error.strerror}: {remedy}"]) from None


def _check(found: os.stat_result, path: str | Path, remedy: str, most_bytes: int) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise UsageError([f"{shown(path)}: {os.strerror(21)}: {remedy}"])
    if not stat.S_ISREG(found.st_mode):
        raise UsageError([f"{shown(path)}: not a regular file (a pipe, device or socket): {remedy}"])
    if found.st_size > most_bytes:
        raise UsageError([_too_big(path, most_bytes, remedy)])


def _too_big(path: str | Path, most_bytes: int, remedy: str) -> str:
    return f"{shown(path)}: larger than {most_bytes // MB:,} MB: {remedy}"


def shown(path: str | Path) -> str:
    """The name of a file for a message: on one line, its last 200 characters."""
    name = str(path)
    name = name if len(name) <= 200 else f"…{name[-200:]}"
    return name if name.isprintable() and name else ascii(name)


def quoted(value: object) -> str:
    """A value for a message, in quotes: its first 40 characters, on one line."""
    text = value if isinstance(value, str) else str(value)
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"
