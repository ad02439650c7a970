"""Finds and reads Parquet and Arrow files and dataset folders of Hugging Face.

Needs pyarrow, which the extra `datasets` installs. Rows are read a batch at a time, with limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from chatload.files.reading import LINES_BYTES, MB, OTHER_CONTENT, quoted, shown
from chatload.model.errors import UsageError

PARQUET, ARROW, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
BINARY_SUFFIXES = (".parquet", ".arrow")
TEXT_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")
NOT_DATA = re.compile(
    r"(dataset_infos?|dataset_dict|state|config|generation_config|tokenizer.*|.*index|cache-.*|package(-lock)?)\.\w+"
)
"""Names of files in a dataset's folder that hold no rows."""
_SHARD = re.compile(r"(?P<name>.*?)[-_.]?\d{4,5}(-of-\d{4,5})?(-[0-9a-f]{8,})?")
MOST_FILES, DEEPEST = 10_000, 4
"""Most entries of a folder that are visited, and most levels of folders."""
SPLIT_NAMES = 2
"""Most names after the folder in a path to a split: its configuration and its own."""
MOST_BYTES = LINES_BYTES
"""Most bytes of rows, in memory; of more rows the first are read."""
GROUP_BYTES = 1024 * MB
"""Largest row group, uncompressed: pyarrow holds the columns of one at a time."""
BATCH_ROWS = 256
EXTRA = 'pip install "chatload[datasets]"'


def dataset_files(path: str | Path) -> list[Path] | None:
    """The files of the dataset at `path`; None if that is a text file or does not exist.

    `path` is a Parquet or Arrow file, a folder, or a folder and the name of a split in it. UsageError for a folder
    without rows, or with several splits.
    """
    place, split = Path(path), ""
    try:
        for _ in range(SPLIT_NAMES):
            if place.exists() or Path(path).suffix:
                break
            place, split = place.parent, f"{place.name}/{split}" if split else place.name
        if place.is_file():
            return [place] if not split and _is_binary(place) else None
        if not place.is_dir() or (split and place in (Path(), Path(place.anchor))):
            return None
        splits = {} if place == Path(place.anchor) else splits_of(place)  # the root folder is no dataset
    except (OSError, ValueError):
        return None
    if split:
        return splits.get(split)  # None: reading the path reports that it does not exist
    if not splits:
        raise UsageError([f"{shown(path)}: Is a directory, without rows of a dataset: give a file"])
    if len(splits) > 1:
        named = ", ".join(str(place / name) for name in list(splits)[:8])
        raise UsageError([f"{shown(path)}: it has {len(splits)} splits: name one: {named}"])
    return next(iter(splits.values()))


def splits_of(folder: Path) -> dict[str, list[Path]]:
    """The files of each split, by its name with its folders: "train", "main/test"."""
    found: dict[str, list[Path]] = {}
    files = sorted(one for one in _files(folder, DEEPEST, count()) if not NOT_DATA.fullmatch(one.name))
    kinds = [
        ending for ending in (*BINARY_SUFFIXES, *TEXT_SUFFIXES) if any(one.suffix == ending for one in files)
    ]
    if kinds:
        kinds = list(BINARY_SUFFIXES) if kinds[0] in BINARY_SUFFIXES else kinds[:1]
    for file in files:
        if file.suffix in kinds:
            found.setdefault(_split_of(file.relative_to(folder)), []).append(file)
    return found


def _files(folder: Path, deep: int, seen: Iterator[int]) -> Iterator[Path]:
    """The files in a folder and its folders, without hidden ones and links to folders; `seen` counts entries."""
    try:
        within = sorted(folder.iterdir())
    except OSError:
        return
    for one in within:
        if next(seen) > MOST_FILES:
            return
        if one.name.startswith("."):
            continue
        try:
            if one.is_file():
                yield one
            elif deep > 1 and one.is_dir() and not one.is_symlink():
                yield from _files(one, deep - 1, seen)
        except OSError:  # not readable: no file of the dataset
            continue


def _split_of(file: Path) -> str:
    shard = _SHARD.fullmatch(file.stem)
    name = shard["name"] if shard is not None else file.stem
    above = [one for one in file.parent.parts if one != "data"]
    if name == "data" or not name:  # as Dataset.save_to_disk writes it
        name = ""
    return "/".join(filter(None, [*above, name])) or "data"


def _is_binary(file: Path) -> bool:
    with open(file, "rb") as opened:
        begins = opened.read(8)
    return begins.startswith((PARQUET, ARROW)) or (begins[:4] == ARROW_STREAM and file.suffix == ".arrow")


class Rows:
    """The rows of binary files. `left_out`: types of columns that are not read (images, audio, vectors). `cut`: how
    many rows were read, in words, if there are more than the limit allows."""

    def __init__(self, files: list[Path]) -> None:
        self.left_out: dict[str, str] = {}
        self.cut = ""
        self._files = files
        self._bytes = self._rows = 0

    def __iter__(self) -> Iterator[dict[str, object]]:
        try:
            import pyarrow  # here, since it is slow to import and an extra
        except ImportError:
            words = f"reading Parquet and datasets needs pyarrow: {EXTRA}"
            raise UsageError([f"{shown(self._files[0])}: {words}"]) from None
        for file in self._files:
            try:
                yield from self._of(file)
            except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
                why = next(iter(str(error).splitlines()), "")[:120]
                raise UsageError([f"{shown(file)}: not readable as Parquet or Arrow ({why})"]) from None
            if self.cut:
                return

    def _of(self, file: Path) -> Iterator[dict[str, object]]:
        for batch in _parquet(file, self.left_out) if _begins(file, PARQUET) else _arrow(file, self.left_out):
            self._bytes += batch.nbytes
            if self._bytes > MOST_BYTES and self._rows:
                self.cut = f"the first {self._rows:,} rows, {MOST_BYTES // MB} MB, are read"
                return
            if batch.nbytes > MOST_BYTES:
                raise UsageError(
                    [f"{shown(file)}: {batch.num_rows} rows of it are over {MOST_BYTES // MB} MB"]
                )
            self._rows += batch.num_rows
            for row in batch.to_pylist():
                yield {name: _plain(value) for name, value in row.items()}


def _begins(file: Path, magic: bytes) -> bool:
    with open(file, "rb") as opened:
        begins = opened.read(64)
    for other, words in OTHER_CONTENT.items():
        if other != PARQUET.lower() and begins.lower().startswith(other):
            raise UsageError([f"{shown(file)}: it is {words}"])
    return begins.startswith(magic)


def _parquet(file: Path, left_out: dict[str, str]) -> Iterator[Any]:
    """Batches of a Parquet file. Any: pyarrow has no types."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file, pre_buffer=False) as opened:
        for at in range(opened.metadata.num_row_groups):
            size = opened.metadata.row_group(at).total_byte_size
            if size > GROUP_BYTES:
                words = f"row group {at + 1} has {size // MB:,} MB: at most {GROUP_BYTES // MB:,} MB"
                raise UsageError([f"{shown(file)}: {words}"])
        columns = _columns(opened.schema_arrow, left_out)
        yield from opened.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False)


def _arrow(file: Path, left_out: dict[str, str]) -> Iterator[Any]:
    """Batches of an Arrow file, or of the stream that Dataset.save_to_disk writes."""
    import pyarrow

    with pyarrow.memory_map(str(file)) as source:
        is_file = _begins(file, ARROW)
        opened = pyarrow.ipc.open_file(source) if is_file else pyarrow.ipc.open_stream(source)
        columns = _columns(opened.schema, left_out)
        batches = (opened.get_batch(i) for i in range(opened.num_record_batches)) if is_file else opened
        for batch in batches:
            chosen = batch.select(columns)
            for start in range(0, chosen.num_rows, BATCH_ROWS):
                yield chosen.slice(start, BATCH_ROWS)


def _columns(schema: Any, left_out: dict[str, str]) -> list[str]:
    """The names of columns that are read."""
    found = []
    for field in schema:
        if _is_text(field.type):
            found.append(field.name)
        else:
            left_out.setdefault(field.name, str(field.type)[:40])
    return list(dict.fromkeys(found))


def _is_text(kind: Any) -> bool:
    """Whether values of a type may belong to a conversation or a trace: no bytes, and no vectors of floats."""
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return not types.is_floating(kind.value_type) and _is_text(kind.value_type)
    if types.is_struct(kind):
        return all(_is_text(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return not (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_map(kind)
        or types.is_union(kind)
    )


def _plain(value: object) -> object:
    """A value as in JSON: dates and times as text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def notes_of(rows: Rows) -> tuple[str, ...]:
    """Notes on what was not read."""
    notes = [rows.cut] if rows.cut else []
    if rows.left_out:
        named = ", ".join(f"{quoted(name)} ({kind})" for name, kind in list(rows.left_out.items())[:5])
        notes.append(f"columns that are no text are not read: {named}")
    return tuple(notes)
