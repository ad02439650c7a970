"""The files of journals in a run folder: `journal-<worker>.jsonl`, or compact with `.gz` at the end."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

PATTERNS = ("journal-*.jsonl", "journal-*.jsonl.gz")
COMPACT = ".gz"
CUT_OFF = b"\0"
"""Stands for the unreadable rest of a compact journal; as it is not JSON, it counts as an incomplete line."""
_BLOCK_BYTES = 1 << 20


def journal_files(folder: Path) -> list[Path]:
    """The journals of a run folder that are regular files: opening a pipe could block.

    If compacting was interrupted and one is there both plain and compact, the plain one.
    """
    found = [path for path in _journals(folder) if path.is_file()]
    plain = {path.name for path in found}
    return [path for path in found if path.name.removesuffix(COMPACT) not in plain - {path.name}]


def not_files(folder: Path) -> list[str]:
    """The names of journals that are folders, pipes or the like."""
    return [path.name for path in _journals(folder) if not path.is_file()]


def _journals(folder: Path) -> list[Path]:
    return sorted(path for pattern in PATTERNS for path in folder.glob(pattern))


def raw_lines(path: Path) -> Iterator[bytes]:
    """The lines of a journal as they were written, newlines included."""
    with open_journal(path) as file:
        try:
            yield from file
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield CUT_OFF


def open_journal(path: Path) -> BinaryIO:
    """Open a journal, decompressed. Reading a damaged compact one raises EOFError, zlib.error or gzip.BadGzipFile."""
    return cast(BinaryIO, gzip.open(path)) if path.name.endswith(COMPACT) else open(path, "rb")


def compacted(path: Path) -> Path:
    """Replace a plain journal by a gzip file, after reading that back. OSError if it cannot be written.

    No process may write to the journal any more.
    """
    made = path.with_name(path.name + COMPACT)
    unfinished = path.with_name(f".{made.name}.part")
    try:
        with open(path, "rb") as plain, open(unfinished, "wb", opener=private) as file:
            with gzip.GzipFile(path.name, "wb", 6, file, mtime=0) as packed:
                shutil.copyfileobj(plain, packed, _BLOCK_BYTES)
            file.flush()
            os.fsync(file.fileno())
        if not _same(path, unfinished):
            raise OSError(None, "what was written differs, or the run still writes it")
        shutil.copystat(path, unfinished)
        unfinished.replace(made)
    finally:
        unfinished.unlink(missing_ok=True)
    path.unlink()
    return made


def _same(plain: Path, packed: Path) -> bool:
    with open(plain, "rb") as one, gzip.open(packed) as other:
        while True:
            block = one.read(_BLOCK_BYTES)
            if block != other.read(_BLOCK_BYTES):
                return False
            if not block:
                return True


def private(path: str, flags: int) -> int:
    """An opener for `open` that creates files for their owner only."""
    return os.open(path, flags, 0o600)
