"""Names of runs in one report."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.model.sanitize import one_line
from chatload.store.journal import Run


def distinct_names(runs: Sequence[Run], width: int) -> list[str]:
    """A distinct name for each run: its own, its folder's where two names are equal, else numbered."""
    names = [one_line(run.name, width) for run in runs]
    if len(set(names)) < len(names):
        names = [one_line(run.folder.name, width) for run in runs]
    return [name if names.count(name) == 1 else f"{name[: width - 3]} {i}" for i, name in enumerate(names, 1)]
