"""Reads run folders, and writes summary.json and report.html beside their journals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from chatload.analysis.gate import gate
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.summary import Summary, content_of
from chatload.render.blocks import Figure
from chatload.render.html import REPORT, page_of_run
from chatload.render.junit import junit_xml
from chatload.render.markdown import summary_markdown
from chatload.render.report_sections import sections_of
from chatload.store.journal import Run, read_run
from chatload.store.manifest import write_json, write_private

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


def refuse_repeated(runs: Sequence[Run]) -> None:
    """UsageError with one line for each run that is there twice, in the same folder or a copy of it: compared with
    itself it would always be the same."""
    lines = []
    for at, run in enumerate(runs):
        before = next((one for one in runs[:at] if _same(one, run)), None)
        if before is not None:
            remedy = "no run is compared with itself: name another, or take it out"
            lines.append(f"{run.folder}: is the same run as {before.folder}: {remedy}")
    if lines:
        raise UsageError(lines)


def _same(one: Run, other: Run) -> bool:
    same_folder = one.folder.resolve() == other.folder.resolve()
    return same_folder or (one.manifest == other.manifest and one.turns == other.turns)


def keep_summary(run: Run, summary: Summary) -> None:
    """Write summary.json beside the journals."""
    _keep(run.folder / SUMMARY, lambda path: write_json(path, content_of(summary)))


def keep_ci_files(run: Run, summary: Summary) -> None:
    """Write junit.xml and summary.md beside the journals."""
    xml = junit_xml(gate(run, summary))
    _keep(run.folder / "junit.xml", lambda path: write_private(path, xml.encode()))
    _keep(
        run.folder / "summary.md", lambda path: write_private(path, summary_markdown(run, summary).encode())
    )


def keep_report(run: Run, summary: Summary, drawn: Callable[[], Sequence[Figure]]) -> Path | None:
    """Write report.html beside the journals; where it was written, None if it could not be.

    `drawn` waits for the figures: the sections are made meanwhile.
    """
    sections = sections_of(run, summary, page=True)
    page = page_of_run(run, summary, sections, drawn())
    return _keep(run.folder / REPORT, lambda path: write_private(path, page.encode()))


def _keep(path: Path, write: Callable[[Path], None]) -> Path | None:
    """Write a file; None, and a line on stderr, where we cannot: a folder we may only read is no mistake."""
    try:
        write(path)
    except OSError as error:
        output.write(sys.stderr, f"{path}: not written: {error.strerror}\n")
        return None
    return path
