"""Reads the files that options name: once, bounded in size, regular files only. Mistakes are the user's words."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from chatload.errors import UsageError

MB = 1 << 20
MOST_MISTAKES = 20
"""Mistakes told of one file; the others are counted."""
LINE_BYTES = 4 * MB
"""Longest line of a file of lines."""


def read_input(path: str | Path, remedy: str, most_bytes: int = 128 * MB) -> bytes:
    """The whole content of a file, without a byte order mark. UsageError, with the remedy, where it cannot be had."""
    with opened_input(path, remedy, most_bytes) as file:
        content = file.read(most_bytes + 1) or b""  # None: there is nothing yet, and we do not wait
    if len(content) > most_bytes:  # it grew meanwhile, or is of a kind that tells no size
        raise UsageError([_too_big(path, most_bytes, remedy)])
    return content.removeprefix(b"\xef\xbb\xbf")


@contextmanager
def opened_input(path: str | Path, remedy: str, most_bytes: int) -> Iterator[BinaryIO]:
    """A regular file, open for reading; never waits for the writer of a FIFO. UsageError as above."""
    name = shown(path)
    if "\0" in str(path):
        raise UsageError([f"{name}: no file's name: {remedy}"])
    try:
        _check(Path(path).stat(), path, remedy, most_bytes)
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            _check(os.fstat(file.fileno()), path, remedy, most_bytes)
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


def lines_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers from 1."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line and not line.isspace():
            yield number, line


def too_long(line: bytes) -> str | None:
    """What is wrong with a line that is too long; None for any other."""
    if len(line) <= LINE_BYTES:
        return None
    return f"{len(line):,} bytes on one line: at most {LINE_BYTES // MB} MB"


def shown(path: str | Path) -> str:
    """A file's name for a message: on one line, and not longer than it must be."""
    name = str(path)
    name = name if len(name) <= 200 else f"…{name[-200:]}"
    return name if name.isprintable() and name else ascii(name)


def quoted(value: object) -> str:
    """A value for a message, in quotes: its first 40 characters, on one line."""
    text = value if isinstance(value, str) else str(value)
    return repr(text[:40]) if len(text) <= 40 else f"{text[:40]!r}…"


def cut(mistakes: Sequence[str], path: str | Path) -> list[str]:
    """The first mistakes of a file, and how many more there are."""
    more = len(mistakes) - MOST_MISTAKES
    return [*mistakes[:MOST_MISTAKES], *([f"{shown(path)}: and {more:,} more like these"] * (more > 0))]
