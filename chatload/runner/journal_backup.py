"""Where a worker keeps its own copy of its journal, in case the master is lost; readable by its owner alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from chatload.store.journal import JournalWriter


def folder_for_copy(wanted: str, worker: str) -> tuple[str, str | None]:
    """(folder, words): the first folder that takes the copy, and what to say where it is not the wanted one.

    Tried are the master's run folder by the same path, `results/<its name>` here, and a new temporary folder; each
    is made for its owner alone (0700). Where none can be had, `wanted` comes back, and there will be no copy.
    """
    why = ""
    for folder in _choices(Path(wanted)):
        trial = JournalWriter(folder / f"journal-{worker}.jsonl")
        trial.close()
        if trial.problem is None:
            here = f"{why}: this worker keeps its own copy of its journal in {folder.resolve()}"
            return str(folder), here if why else None
        why = why or f"{wanted} cannot be written here ({trial.problem.rpartition(': ')[2]})"
    return (
        wanted,
        f"{why}, nor any other folder: this worker keeps no copy of its journal; the master has its lines",
    )


def _choices(wanted: Path) -> Iterator[Path]:
    yield wanted
    yield Path("results") / wanted.name
    try:
        yield Path(tempfile.mkdtemp(prefix="chatload-"))
    except OSError:
        return
