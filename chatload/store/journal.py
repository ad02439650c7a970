"""Journals: append-only JSON lines, one file for each worker; readers merge them and drop duplicates.

A process that is killed during a write leaves an incomplete line, which readers count and skip. docs/record-format.md
has the kinds of line.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

import msgspec

from chatload.model.journal_lines import (
    EndLine,
    HealthLine,
    JournalLine,
    PowerLine,
    SameAnswerLine,
    ServerLine,
    StartLine,
    UserLine,
    decode,
    encode,
)
from chatload.model.packed_turns import PackedTurns
from chatload.model.turn import Turn
from chatload.model.words import listed
from chatload.store.clocks import WorkerClock, clocks_of, shifted
from chatload.store.journal_files import CUT_OFF, journal_files, not_files, private, raw_lines
from chatload.store.manifest import Manifest, read_manifest
from chatload.store.missing_lines import LineCount, foreign_journals


class JournalWriter:
    """Appends lines to one journal. A full disk or a read-only folder loses lines, but does not end the run.

    `problem`: why lines were lost, else None. `close` also checks whether another process changed the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        self.lost_lines = 0
        self._file: BinaryIO | None = None
        self._size = 0
        self._mid_line = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = open(path, "ab", buffering=0, opener=private)  # noqa: SIM115 - open as long as the run
            self._size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            self.problem = f"{path.name}: {error.strerror}"

    def write(self, line: JournalLine) -> None:
        """Append one line, unbuffered, so that it is kept even if the process is killed."""
        self.append(encode(line))

    def append(self, raw: bytes) -> None:
        """Append one encoded line, without its newline."""
        if self._file is None:
            self.lost_lines += 1
            return
        try:
            # End a line that a full disk cut off, so that the next one stays readable.
            self._write_all((b"\n" if self._mid_line else b"") + raw + b"\n")
        except OSError as error:
            self.problem = f"{self.path.name}: {error.strerror}"
            self.lost_lines += 1

    def _write_all(self, data: bytes) -> None:
        """Write all of `data`: an unbuffered write may write a part of it without an error."""
        assert self._file is not None
        at = 0
        while at < len(data):
            at += (written := self._file.write(data[at:]))
            self._size += written
            if written:
                self._mid_line = data[at - 1 : at] != b"\n"

    def close(self) -> None:
        """Close the file; further lines are counted as lost."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.problem = self.problem or self._damage()

    def _damage(self) -> str | None:
        """How another process changed the file, if that lost lines."""
        try:
            left = self.path.stat().st_size
        except OSError:
            return f"{self.path.name}: was deleted while the run wrote it: its lines are lost"
        if left < self._size:
            return (
                f"{self.path.name}: was cut short or replaced while the run wrote it: "
                f"{left:,} of {self._size:,} bytes are left"
            )
        return None


@dataclass(frozen=True, slots=True)
class Run:
    """The content of a run folder. `turns` are in order of `due_ns`, without duplicates.

    `warmup`: turns of the warm-up, which no figure counts. `server`: readings of the server's /metrics page; `power`:
    readings of --power-metrics. `torn_lines`: number of incomplete lines. `missing`: sentences on lines that the
    journals lack, and on journals of other runs that were left out.
    """

    folder: Path
    manifest: Manifest
    turns: tuple[Turn, ...]
    users: tuple[UserLine, ...]
    health: tuple[HealthLine, ...]
    ends: tuple[EndLine, ...]
    torn_lines: int
    server: tuple[ServerLine, ...] = ()
    power: tuple[PowerLine, ...] = ()
    missing: tuple[str, ...] = ()
    warmup: tuple[Turn, ...] = ()
    same_answers: tuple[SameAnswerLine, ...] = ()

    @property
    def every_turn(self) -> tuple[Turn, ...]:
        """All turns, those of the warm-up included."""
        return (*self.warmup, *self.turns) if self.warmup else self.turns

    @property
    def name(self) -> str:
        """The name of the run in a legend: its label, else those of its servers, else its folder."""
        labels = dict.fromkeys(one.label for one in self.manifest.servers if one.label)
        name = self.manifest.label or listed(list(labels)) or self.folder.name
        return name if self.manifest.simulation is None else f"{name} (simulated)"


@dataclass(slots=True)
class _Lines:
    """The lines of all journals by kind, each once."""

    turns: PackedTurns = field(default_factory=PackedTurns)
    users: list[UserLine] = field(default_factory=list)
    health: list[HealthLine] = field(default_factory=list)
    ends: list[EndLine] = field(default_factory=list)
    server: list[ServerLine] = field(default_factory=list)
    same_answers: list[SameAnswerLine] = field(default_factory=list)
    power: list[PowerLine] = field(default_factory=list)
    torn: int = 0
    damaged: bool = False
    count: LineCount = field(default_factory=LineCount)
    _seen: set[bytes] = field(default_factory=set)
    _turn_ids: set[str] = field(default_factory=set)

    def add(self, raw: bytes, line: JournalLine | None) -> None:
        """Add one line; None: an incomplete one."""
        if line is None:
            self.torn += 1
            self.damaged = self.damaged or raw == CUT_OFF
        elif isinstance(line, Turn):
            if line.turn_id not in self._turn_ids:
                self._turn_ids.add(line.turn_id)
                self.turns.add(line)
                self.count.add(line)
        elif raw not in self._seen:
            self._seen.add(raw)
            self.count.add(line)
            if isinstance(line, UserLine):
                self.users.append(line)
            elif isinstance(line, HealthLine):
                self.health.append(line)
            elif isinstance(line, EndLine):
                self.ends.append(line)
            elif isinstance(line, SameAnswerLine):
                self.same_answers.append(line)
            elif isinstance(line, ServerLine):
                self.server.append(line)
            elif isinstance(line, PowerLine):
                self.power.append(line)


def read_run(folder: Path) -> Run:
    """Read manifest and journals of a run folder. UsageError if it is not one."""
    manifest = read_manifest(folder)
    found = _Lines()
    foreign = foreign_journals(folder, manifest.run_id)
    for raw, line in lines_in_master_time(folder, manifest, foreign):
        found.add(raw, line)
    turns = list(_in_order(found.turns.rows()))
    missing = [
        f"{name} belongs to another run ({run_id}): it is left out." for name, run_id in foreign.items()
    ]
    missing += [f"{name} is no file: its lines are lost." for name in not_files(folder)]
    if found.damaged:
        missing.append("A compact journal is damaged: its further lines are lost.")
    missing += found.count.missing(manifest, len(found.turns))
    return Run(
        folder=folder,
        manifest=manifest,
        turns=tuple(turn for turn in turns if not turn.warmup),
        same_answers=tuple(found.same_answers),
        warmup=tuple(turn for turn in turns if turn.warmup),
        users=tuple(sorted(found.users, key=_at_ns)),
        health=tuple(sorted(found.health, key=_at_ns)),
        ends=tuple(found.ends),
        torn_lines=found.torn,
        server=tuple(sorted(found.server, key=_at_ns)),
        power=tuple(sorted(found.power, key=_at_ns)),
        missing=tuple(missing),
    )


def _at_ns(line: UserLine | HealthLine | ServerLine | PowerLine) -> int:
    return line.at_ns


_due_ns = attrgetter("due_ns")


def _in_order(turns: list[Turn]) -> Iterator[Turn]:
    """By `due_ns`, then `turn_id`. Sorting all by both would take more memory than the rows themselves."""
    turns.sort(key=_due_ns)
    for _, due_together in groupby(turns, _due_ns):
        yield from sorted(due_together, key=attrgetter("turn_id"))


def lines_in_master_time(
    folder: Path, manifest: Manifest, foreign: Container[str] | None = None
) -> Iterator[tuple[bytes, JournalLine | None]]:
    """(bytes, line) of each line of this run's journals, with instants in the master's clock; None if incomplete.

    `foreign`: names of journals of other runs, if the caller has them already.
    """
    clocks = clocks_of(manifest)
    without = foreign_journals(folder, manifest.run_id) if foreign is None else foreign
    for raw, line in _journal_lines(folder, without):
        clock = None if line is None else clocks.get(line.worker)
        if isinstance(line, StartLine) and clock is None and line.clock_offset_ns:
            # The manifest of a killed master may lack the worker: take the offset of its start line.
            clock = clocks[line.worker] = WorkerClock([(line.at_ns, line.clock_offset_ns)])
        yield raw, line if line is None or clock is None else shifted(line, clock)


def _journal_lines(folder: Path, without: Container[str]) -> Iterator[tuple[bytes, JournalLine | None]]:
    """(bytes, line) of each line of each journal of the folder; None if incomplete.

    Lines of an unknown kind are left out.
    """
    for path in journal_files(folder):
        if path.name in without:
            continue
        for raw in raw_lines(path):
            try:
                line = decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield raw, None
                continue
            if line is not None:
                yield raw, line
