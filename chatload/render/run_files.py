"""Reads run folders, and writes summary.json and report.html beside their journals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.summary import Summary, content_of
from chatload.render.blocks import Figure
from chatload.render.html import REPORT, write_report
from chatload.store.journal import Run, read_run
from chatload.store.manifest import write_json

SUMMARY = "summary.json"


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs of all folders; UsageError with one line for each folder that holds none."""
    runs: list[Run] = []
    mistakes: list[str] = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except UsageError as error:
            mistakes += error.lines
        except OSError as error:
            mistakes.append(f"{folder}: cannot be read: {error.strerror}")
    if mistakes:
        raise UsageError(mistakes)
    return runs


def keep_summary(run: Run, summary: Summary) -> None:
    """Write summary.json beside the journals; a folder we may only read is no mistake."""
    try:
        write_json(run.folder / SUMMARY, content_of(summary))
    except OSError as error:
        output.write(sys.stderr, f"{run.folder / SUMMARY}: not written: {error.strerror}\n")


def keep_report(run: Run, summary: Summary, figures: Sequence[Figure]) -> Path | None:
    """Write report.html beside the journals; where it was written, None if it could not be."""
    try:
        write_report(run.folder / REPORT, [run], [summary], figures)
    except OSError as error:
        output.write(sys.stderr, f"{run.folder / REPORT}: not written: {error.strerror}\n")
        return None
    return run.folder / REPORT
