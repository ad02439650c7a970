"""Journals: append-only JSON lines, one file a worker; readers merge any number and drop duplicates.

A line is whole or it is ignored: a process killed in the middle of a write leaves a torn tail, which
readers count and skip. Kinds of line: start, turn, user, health, server, end (docs/record-format.md).
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from chatload.model.errors import UsageError
from chatload.model.turn import Turn
from chatload.store.clocks import WorkerClock, clocks_of
from chatload.store.missing import LineCount, foreign_journals, journal_files, no_files
from chatload.store.turn_record import from_line

FORMAT = 1
"""Version of manifest and journal. History: 1 (2026-11-22) first."""


class JournalWriter:
    """Appends lines to one journal. A full disk or a read-only folder stops the writing, never the run.

    `problem` says what was lost; whether the file still holds what was written is known after `close`.
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
            self._file = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115 - open as long as the run
            self._size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            self.problem = f"{path.name}: {error.strerror}"

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line; unbuffered, so that what is finished is on disk even if we are killed."""
        self.append(orjson.dumps(line))

    def append(self, raw: bytes) -> None:
        """Append one line that is JSON already."""
        if self._file is None:
            self.lost_lines += 1
            return
        try:
            # What a full disk cut off in the middle of a line must not spoil the next line too.
            self._write_all((b"\n" if self._mid_line else b"") + raw + b"\n")
        except OSError as error:
            self.problem = f"{self.path.name}: {error.strerror}"
            self.lost_lines += 1

    def _write_all(self, data: bytes) -> None:
        """An unbuffered write may take less than it was given, without an error."""
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
        """What somebody else did to the file while it was written, where lines were lost by that."""
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


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its folder tells it. `turns` are in order of `due_ns`, without duplicates.

    `server` is what the server's own /metrics page said during the run; empty where it has none. `missing` says, a
    sentence each, which lines the journals should hold and do not, and which belong to another run and were left out.
    """

    folder: Path
    manifest: Mapping[str, Any]
    turns: tuple[Turn, ...]
    users: tuple[Mapping[str, Any], ...]
    health: tuple[Mapping[str, Any], ...]
    ends: tuple[Mapping[str, Any], ...]
    torn_lines: int
    server: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call the run in a legend: its label, else its server and scenario, else its folder."""
        manifest = self.manifest
        words = str((manifest.get("server") or {}).get("words") or "")
        # "vLLM 0.33.0 (GET /version)": how we know it is of no use in a legend.
        return str(manifest.get("label") or words.partition(" (GET ")[0] or self.folder.name)


MANIFEST_KINDS: tuple[tuple[Any, str, tuple[str, ...]], ...] = (
    (dict, "object", ("server", "plan", "workers", "versions", "machine", "capacity")),
    (list, "list", ("caveats", "problems", "ramps")),
    (str, "text", ("run_id", "ended")),
    (int, "whole number", ("format", "started_ns", "ended_ns", "turns_heard", "exit_code")),
    (int | float, "number", ("run_time_s",)),
)
"""What the manifest's keys hold, where readers count on it."""


def read_run(folder: Path) -> Run:
    """Read manifest and all journals of a run folder. UsageError if it is none."""
    manifest_path = folder / "manifest.json"
    if not manifest_path.is_file():
        raise UsageError(
            [f"{folder}: not a run folder (no manifest.json): name the folder a run wrote, see --out"]
        )
    try:
        manifest = orjson.loads(manifest_path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise UsageError([f"{manifest_path}: not JSON ({error}): the file is damaged"]) from error
    if not isinstance(manifest, dict):
        raise UsageError([f"{manifest_path}: no JSON object: the file is damaged"])
    for kind, words, keys in MANIFEST_KINDS:
        for key in keys:
            if not isinstance(manifest.get(key), kind | None):
                raise UsageError([f"{manifest_path}: {key} is no {words}: the file is damaged"])
    if (manifest.get("format") or 0) > FORMAT:
        raise UsageError(
            [f"{folder}: record format {manifest['format']} is newer than {FORMAT}: update chatload"]
        )
    turns: dict[str, Turn] = {}
    other: dict[str, list[Mapping[str, Any]]] = {"user": [], "health": [], "end": [], "server": []}
    seen: set[bytes] = set()
    torn, count = 0, LineCount()
    foreign = foreign_journals(folder, manifest)
    for raw, line in lines_in_one_time(folder, manifest, foreign):
        if line is None:
            torn += 1
        elif line.get("kind") == "turn":
            try:
                turn = from_line(line)
            except (KeyError, TypeError):
                torn += 1
                continue
            if turns.setdefault(turn.turn_id, turn) is turn:
                count.add(line)
        elif raw not in seen:
            seen.add(raw)
            count.add(line)
            if line["kind"] in other:
                other[line["kind"]].append(line)
    return Run(
        folder=folder,
        manifest=manifest,
        turns=tuple(sorted(turns.values(), key=lambda turn: (turn.due_ns, turn.turn_id))),
        users=tuple(sorted(other["user"], key=_at_ns)),
        health=tuple(sorted(other["health"], key=_at_ns)),
        ends=tuple(other["end"]),
        torn_lines=torn,
        server=tuple(sorted(other["server"], key=_at_ns)),
        missing=(
            *(f"{name} is of another run ({run_id}): it was left out." for name, run_id in foreign.items()),
            *(f"{name} is no file: its lines are lost." for name in no_files(folder)),
            *count.missing(manifest, len(turns)),
        ),
    )


def lines_in_one_time(
    folder: Path, manifest: Mapping[str, Any], foreign: Container[str] | None = None
) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """(bytes, line) of each line of this run's journals, instants in the master's clock; None where it is torn.

    `foreign` are the names of journals to leave out, where the caller has asked for them already.
    """
    clocks = clocks_of(manifest)
    for raw, line in _journal_lines(
        folder, foreign_journals(folder, manifest) if foreign is None else foreign
    ):
        if line is None or not _fits(line):
            yield raw, None
            continue
        clock = clocks.get(str(line.get("worker")))
        if clock is not None:
            line = clock.shifted(line)
        elif line["kind"] == "start" and line.get("clock_offset_ns"):
            # The manifest of a killed master may lack the worker: what it was told at its start counts.
            clocks[str(line.get("worker"))] = WorkerClock([(line["at_ns"], line["clock_offset_ns"])])
            line = clocks[str(line.get("worker"))].shifted(line)
        yield raw, line


def _journal_lines(folder: Path, without: Container[str]) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """(bytes, line) of each line of each journal of the folder; None where it is torn or no object."""
    for path in journal_files(folder):
        if path.name in without:
            continue
        with open(path, "rb") as file:
            for raw in file:
                try:
                    line = orjson.loads(raw)
                except orjson.JSONDecodeError:
                    line = None
                yield raw, line if isinstance(line, dict) else None


_NUMBERS = ("hub_lag_p99_ms", "hub_lag_max_ms", "cpu_percent", "rss_mb", "users", "in_flight", "lost_lines",
            "ticks_missed", "clock_steps", "copy_lost_lines", "lines")  # fmt: skip


def _fits(line: Mapping[str, Any]) -> bool:
    """Whether a line holds numbers where readers count on them; a turn's are looked at when it is read."""
    kind = line.get("kind")
    if not isinstance(kind, str):
        return False
    if kind == "turn":
        return True
    whole = {"user": ("user",), "start": ("utc_ns",)}.get(kind, ())
    return (
        all(isinstance(line.get(name), int) for name in ("at_ns", *whole))
        and all(isinstance(line.get(name), int | float | None) for name in _NUMBERS)
        and isinstance(line.get("event", None if kind == "user" else ""), str)
        and isinstance(line.get("clock_offset_ns"), int | None)
    )


def _at_ns(line: Mapping[str, Any]) -> int:
    at = line.get("at_ns", 0)
    return at if isinstance(at, int) else 0
