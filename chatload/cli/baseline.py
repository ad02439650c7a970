"""`chatload baseline add RUN… DIR`: keeps the runs that `check --baseline DIR` compares a new run with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chatload.analysis.comparison import LEAST_BASELINES, check_run, has_good_turn, trustworthy
from chatload.analysis.completeness import shortcomings
from chatload.cli.compare import add_force, refuse_unlike, runs_below
from chatload.model.errors import UsageError
from chatload.model.words import plural
from chatload.options.command_parser import Parser
from chatload.render.run_files import SUMMARY, read_runs, refuse_repeated
from chatload.store.journal import Run
from chatload.store.journal_files import PATTERNS
from chatload.store.manifest import MANIFEST

KEPT = (*PATTERNS, SUMMARY, MANIFEST)
"""Files of a run folder that a comparison reads, and its sums. The manifest comes last: a folder without one is no run,
so that a copy that was cut short is no baseline."""


def baseline(argv: Sequence[str]) -> int:
    """Run `chatload baseline`; returns the exit code."""
    parser = Parser("baseline", description="Keep the runs that check compares with.")
    forms = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)
    add = forms.add_parser("add", help="copy good runs into the folder of baselines")
    add.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folder, such as results/…")
    add.add_argument("folder", metavar="DIR", type=Path, help="folder of baselines; made if it is not there")
    add_force(add)
    chosen = parser.parse_args(argv)
    runs = read_runs(chosen.runs)
    refuse_repeated(runs)
    mistakes = [f"{run.folder}: no baseline: {words}" for run in runs for words in _shortcomings(run)]
    held = runs_below(chosen.folder) if any(chosen.folder.glob(f"*/{MANIFEST}")) else []
    ids = {each.manifest.run_id for each in held}
    mistakes += [f"{chosen.folder}: holds {run.folder} already" for run in runs if run.manifest.run_id in ids]
    if mistakes:
        raise UsageError(mistakes)
    for run in runs:
        if held:
            refuse_unlike(check_run(held, run, force=chosen.force), force=chosen.force)
        held.append(run)
    for run in runs:
        _copy(run, chosen.folder)
    _say(chosen.folder, len(held))
    return 0


def _shortcomings(run: Run) -> list[str]:
    """Why nothing can be concluded from a run."""
    found = [] if trustworthy(run) else ["its measurement is not to be trusted"]
    return shortcomings(run) + found + ([] if has_good_turn(run) else ["it has no good turn"])


def _copy(run: Run, folder: Path) -> None:
    target = folder / (run.manifest.run_id or run.folder.resolve().name)
    try:
        _clear(target)
        target.mkdir(parents=True)
        for pattern in KEPT:
            for path in sorted(run.folder.glob(pattern)):
                beside = target / f"{path.name}.new"
                shutil.copyfile(path, beside)
                beside.replace(target / path.name)
    except OSError as error:
        _clear(target)
        raise UsageError([f"{target}: cannot be written: {error.strerror}"]) from error


def _clear(target: Path) -> None:
    """Remove a copy that was cut short, and nothing else: its folder only where it is empty then."""
    if (target / MANIFEST).exists() or not target.is_dir():
        return
    with suppress(OSError):
        for pattern in KEPT:
            for path in (*target.glob(pattern), *target.glob(f"{pattern}.new")):
                path.unlink()
        target.rmdir()


def _say(folder: Path, held: int) -> None:
    words = f"{folder}: {plural(held, 'baseline')}"
    if held < LEAST_BASELINES:
        words += f"; from {LEAST_BASELINES} on check knows what changes from run to run"
    sys.stdout.write(f"{words}\n")
