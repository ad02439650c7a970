"""`chatload history FOLDER…`: all runs of folders as one table and one picture, so that a team sees drift."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatload.analysis.history import PastRun, RunGroup, grouped
from chatload.analysis.summary import summarise
from chatload.cli.output_file import write_file
from chatload.files.packaged import prefer_own
from chatload.model.errors import UsageError
from chatload.model.sanitize import one_line, shown
from chatload.model.summary import read_summary
from chatload.options.command_parser import Parser
from chatload.render.history_table import history_sections, history_words
from chatload.render.html import page_of
from chatload.render.markdown import markdown_of
from chatload.render.run_files import SUMMARY
from chatload.render.text import text_of
from chatload.store.journal import read_run
from chatload.store.manifest import MANIFEST, read_manifest

DEPTHS = (".", "*", "*/*")
"""Where run folders are looked for: the folder itself, those in it, and in folders of rounds in it."""
LAST = "Use chatload compare A B to see whether two runs differ by more than chance."


def history(argv: Sequence[str]) -> int:
    """Run `chatload history`; returns the exit code."""
    chosen = _chosen(argv)
    found, left_out = past_runs(chosen.folders)
    groups = grouped(found)
    words = history_words(groups, left_out)
    if chosen.picture is not None and groups:
        _draw(groups, chosen.picture)
    if chosen.html is not None:
        _write_page(groups, left_out, words, chosen)
    elif chosen.markdown:
        sections = [one for one in history_sections(groups, left_out) if one.text]
        lines = [f"## chatload: {words}", "", *(line for one in sections for line in markdown_of(one)), LAST]
        sys.stdout.write(shown("\n".join(lines) + "\n"))
    else:
        sys.stdout.write(text_of([f"{words}."], history_sections(groups, left_out), LAST))
    return 0


def past_runs(folders: Sequence[Path]) -> tuple[list[PastRun], list[str]]:
    """The runs in folders, and a line for each folder in them that holds none that can be shown."""
    paths: dict[Path, Path] = {}
    mistakes: list[str] = []
    for folder in folders:
        within = sorted(path.parent for depth in DEPTHS for path in folder.glob(f"{depth}/{MANIFEST}"))
        paths.update((path.resolve(), path) for path in within)  # one that is found twice is shown once
        if not folder.is_dir():
            mistakes.append(f"{folder}: no folder: name one that holds run folders, such as results")
        elif not within:
            mistakes.append(f"{folder}: holds no run (no {MANIFEST} in it, or one or two levels below)")
    if mistakes:
        raise UsageError(mistakes)
    found: list[PastRun] = []
    left_out: list[str] = []
    for path in paths.values():
        try:
            run = _read(path)
        except UsageError as error:
            left_out += [one_line(line, 300) for line in error.lines]
        except OSError as error:
            left_out.append(one_line(f"{path}: cannot be read: {error.strerror}", 300))
        else:
            if run.summary.turns:
                found.append(run)
            else:
                why = run.manifest.refusal or run.manifest.failure or "it held none"
                left_out.append(one_line(f"{path}: no turns: {why}", 300))
    return found, left_out


def _read(folder: Path) -> PastRun:
    """A run by its summary.json, which is quick to read; by its journals where that is missing or another run's."""
    manifest = read_manifest(folder)
    try:
        summary = read_summary((folder / SUMMARY).read_bytes())
    except (OSError, msgspec.DecodeError):
        summary = None
    if summary is None or summary.run_id != (manifest.run_id or None):
        summary = summarise(read_run(folder))
    return PastRun(folder.resolve(), manifest, summary)  # "." has no name


def _chosen(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        "history",
        description="All runs in folders, and in the folders in them, in the order of their start. Runs under another "
        "load, model or kind of server stand in a group of their own; folders that cannot be read are named. Give runs "
        "a --label, such as the commit. Exit code 0.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        metavar="FOLDER",
        type=Path,
        help="folder of run folders, such as results, or one run",
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--html", metavar="FILE", help="write one self-contained page, with the picture (-: standard output)"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the picture: FILE.png, .svg or .pdf"
    )
    chosen = parser.parse_args(argv)
    if chosen.markdown and chosen.html is not None:
        raise UsageError(["--markdown and --html: one form at a time"])
    if chosen.picture is not None and chosen.picture.suffix not in (".png", ".svg", ".pdf"):
        raise UsageError([f"--picture {chosen.picture}: must end in .png, .svg or .pdf"])
    return chosen


def _draw(groups: Sequence[RunGroup], path: Path) -> None:
    prefer_own("plots")
    from plots.picture import write_picture  # here, since matplotlib takes its time
    from plots.report.history_picture import history_picture

    write_picture(history_picture(groups), (), path)


def _write_page(
    groups: Sequence[RunGroup], left_out: Sequence[str], words: str, chosen: argparse.Namespace
) -> None:
    prefer_own("plots")
    from plots.report.figures import figure_of
    from plots.report.history_picture import history_picture

    figures = [figure_of(history_picture(groups), ())] if groups else []
    name = one_line(", ".join(folder.resolve().name for folder in chosen.folders), 80)
    page = page_of(name, "chatload history", f"{words}. {LAST}", history_sections(groups, left_out), figures)
    write_file("--html", chosen.html, page)
