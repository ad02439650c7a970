"""Finds lines that the journals of a run lack, and journals of other runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson

from chatload.model.errors import UsageError
from chatload.model.journal_lines import EndLine, JournalLine, StartLine
from chatload.store.journal_files import journal_files, raw_lines
from chatload.store.manifest import Manifest


def foreign_journals(folder: Path, run_id: str) -> dict[str, str]:
    """The run id of each journal that another run wrote, by file name.

    UsageError if one journal has lines of two runs.
    """
    found: dict[str, str] = {}
    for path in journal_files(folder) if run_id else ():
        ids = _run_ids(path)
        if ids - {run_id} and run_id in ids:
            raise UsageError(
                [
                    f"{path}: holds lines of {len(ids)} runs, which cannot be told apart: run again, with its own --out"
                ]
            )
        if ids and run_id not in ids:
            found[path.name] = str(min(ids))
    return found


def _run_ids(path: Path) -> set[str]:
    """The run ids in the start lines of a journal."""
    ids = set()
    for raw in raw_lines(path):
        if b'"start"' not in raw or b'"run_id"' not in raw:  # decoding each line would take twice as long
            continue
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue
        if isinstance(line, dict) and line.get("kind") == "start" and line.get("run_id"):
            ids.add(str(line["run_id"]))
    return ids


class LineCount:
    """Counts the lines of the journals and compares them with the numbers that the run recorded."""

    def __init__(self) -> None:
        self._lines: Counter[str] = Counter()
        self._started: set[str] = set()
        self._written: dict[str, int | None] = {}

    def add(self, line: JournalLine) -> None:
        """Count one line that is no duplicate."""
        self._lines[line.worker] += 1
        if isinstance(line, StartLine):
            self._started.add(line.worker)
        elif isinstance(line, EndLine):
            self._written[line.worker] = line.lines

    def missing(self, manifest: Manifest, turns: int) -> list[str]:
        """Sentences on missing lines. `turns`: number of turns that were read."""
        heard = manifest.turns_heard
        if heard is not None and turns < heard:
            return [f"{heard:,} turns were held and the journals hold {turns:,}: {heard - turns:,} are lost."]
        words = [
            f"Worker {worker} wrote {written:,} journal lines, {self._lines[worker]:,} were found."
            for worker, written in sorted(self._written.items())
            if written is not None and self._lines[worker] < written
        ]
        if manifest.ended not in ("", "running"):
            words += [
                f"The journal of worker {worker} has no end: its last lines are lost."
                for worker in sorted(self._started - self._written.keys())
            ]
        return words
