"""Names of runs in one report."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.model.sanitize import one_line
from chatload.store.journal import Run


def distinct_names(runs: Sequence[Run], width: int) -> list[str]:
    """A distinct name for each run: its own, its folder's where others have that too, else numbered.

    Labels that others have are numbered: who gave one looks for it.
    """
    own = [one_line(run.name, width) for run in runs]
    names = [
        name if own.count(name) == 1 or run.manifest.label else one_line(run.folder.name, width)
        for name, run in zip(own, runs, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name[: width - 3]} {i}" for i, name in enumerate(names, 1)]
