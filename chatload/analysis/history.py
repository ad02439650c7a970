"""Runs of a folder over time, in groups of which the runs may be compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatload.analysis.comparable import unlike
from chatload.analysis.comparison import gate_conditions
from chatload.model.summary import Summary
from chatload.store.manifest import Manifest


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that ended, as its sums tell it."""

    folder: Path
    manifest: Manifest
    summary: Summary


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs under the same conditions, the first one first.

    `unlike` are (condition, value of the first group, value of this one) of each condition that differs.
    """

    runs: Sequence[PastRun]
    unlike: Sequence[tuple[str, str, str]] = ()


def grouped(found: Sequence[PastRun]) -> list[RunGroup]:
    """The runs in order of their start, in groups that `check` would compare (load, model, kind of server)."""
    groups: list[list[PastRun]] = []
    for run in sorted(found, key=lambda one: (one.manifest.started_utc, str(one.folder))):
        fitting = next((group for group in groups if not unlike([group[:1], [run]], gate_conditions)), None)
        if fitting is None:
            groups.append([run])
        else:
            fitting.append(run)
    return [RunGroup(group, _unlike_first(groups, group)) for group in groups]


def _unlike_first(
    groups: Sequence[Sequence[PastRun]], group: Sequence[PastRun]
) -> list[tuple[str, str, str]]:
    differing = unlike([groups[0][:1], group[:1]], gate_conditions)
    return [(name, values[0], values[1]) for name, values in differing]
