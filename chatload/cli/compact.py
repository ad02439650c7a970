"""`chatload compact`: writes the journals of runs that have ended as gzip, about a quarter of the size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chatload.model.errors import UsageError
from chatload.options.command_parser import Parser
from chatload.store.journal_files import COMPACT, compacted, journal_files
from chatload.store.manifest import read_manifest


def compact(argv: Sequence[str]) -> int:
    """Run `chatload compact`; returns the exit code."""
    parser = Parser(
        "compact",
        description="Write the journals of runs as gzip, about a quarter of the size; every command reads them as "
        "before, and `chatload export jsonl RUN` or gunzip gives the lines back.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument(
        "--force", action="store_true", help="also runs that did not end: only of such that were killed"
    )
    chosen = parser.parse_args(argv)
    mistakes = [line for folder in chosen.runs for line in _mistakes(folder, force=chosen.force)]
    if mistakes:
        raise UsageError(mistakes)
    for folder in chosen.runs:
        _compact(folder)
    return 0


def _mistakes(folder: Path, *, force: bool) -> list[str]:
    try:
        manifest = read_manifest(folder)
    except UsageError as error:
        return error.lines
    if manifest.ended in ("", "running") and not force:
        return [f"{folder}: the run has not ended: wait, or where it was killed, --force"]
    return []


def _compact(folder: Path) -> None:
    plain = [path for path in journal_files(folder) if not path.name.endswith(COMPACT)]
    before = after = 0
    for path in plain:
        try:
            size = path.stat().st_size
            after += compacted(path).stat().st_size
            before += size
        except OSError as error:
            raise UsageError([f"{path}: cannot be compacted: {error.strerror}"]) from error
    words = f"journals of {before / 1e6:,.2f} MB take {after / 1e6:,.2f} MB now" if plain else "is compact"
    sys.stdout.write(f"{folder}: {words}\n")
