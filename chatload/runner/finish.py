"""What a finished run leaves: its summary and reports, the verdict, and the exit code they call for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from chatload.analysis.exit_code import code_of
from chatload.analysis.gate import gate
from chatload.analysis.summary import summarise
from chatload.analysis.warnings import failure_words, stop_words
from chatload.loads.plan import Plan
from chatload.model.program import program
from chatload.model.sanitize import one_line
from chatload.model.words import plural
from chatload.render.blocks import Figure
from chatload.render.ci import annotate, notices
from chatload.render.run_files import keep_ci_files, keep_report, keep_summary
from chatload.render.run_verdict import answer, not_trustworthy
from chatload.render.slo_words import sentence
from chatload.render.turn_tables import failure_lines
from chatload.store.journal import read_run
from chatload.store.manifest import read_manifest

MOST_WARNINGS, WARNING_COLUMNS, FAILURE_COLUMNS = 3, 200, 300
"""How many warnings and codes of failures are said at the end, the worst first, and how much of each."""

Draw = Callable[[Path], AbstractContextManager[Callable[[], Sequence[Figure]]]]
"""Draws the figures of a run's report.html beside a block of code, which has them by a call."""


def finish(folder: Path, plan: Plan, say: Callable[[str], None], draw: Draw) -> int:
    """Write what a finished run leaves, say the verdict and, where it is not good, why; returns the exit code."""
    refused = read_manifest(folder).ended == "unreachable"  # then there is nothing to draw
    with nullcontext(tuple[Figure, ...]) if refused else draw(folder) as drawn:
        return _finish(folder, plan, say, drawn)


def _finish(
    folder: Path, plan: Plan, say: Callable[[str], None], drawn: Callable[[], Sequence[Figure]]
) -> int:
    run = read_run(folder)
    summary = summarise(run)
    keep_summary(run, summary)
    keep_ci_files(run, summary)
    if run.turns:
        if words := not_trustworthy(summary.validity):
            say(f"chatload: {words}")
        say(f"chatload: {answer(run, summary)}")
    if not plan.load.by_level:  # its SLOs are judged level by level
        for one in summary.slo:
            say(f"chatload: SLO {sentence(one)}")
        annotate(notices(gate(run, summary)), sys.stdout)
    code, why = code_of(run, summary)
    if why:
        say(f"chatload: exit code {code}: {why}")
    # After the verdict: the pictures of a large run take as long as all before.
    page = keep_report(run, summary, drawn)
    if run.manifest.ended == "unreachable":  # its cause was said, and there is nothing to read
        return code
    for words in failure_lines(run, summary)[:MOST_WARNINGS]:
        say(f"chatload: failed: {one_line(words, FAILURE_COLUMNS)}")
    noted = [*run.manifest.problems, *run.manifest.warnings]
    said = {  # already: when it failed, with its exit code, and when they were met
        failure_words(run.manifest),
        stop_words(run, summary) if why else "",
        *(one_line(words, 400) for words in noted),
    }
    told = [words for words in summary.warnings if words not in said]
    for words in told[:MOST_WARNINGS]:
        say(f"chatload: warning: {_shortened(words)}")
    if len(told) > MOST_WARNINGS:
        say(f"chatload: {plural(len(told) - MOST_WARNINGS, 'more warning')} in the report")
    if page is not None:
        say(f"chatload: open in a browser: {page}")
    say(f"chatload: more: {program()} report {folder}")
    return code


def _shortened(words: str) -> str:
    """The beginning of a warning, up to the end of a sentence where one is near, else of a word."""
    line = one_line(words, len(words))
    if len(line) <= WARNING_COLUMNS:
        return line
    begun = line[:WARNING_COLUMNS]
    sentence = begun.rfind(". ") + 1
    return begun[:sentence] if sentence > WARNING_COLUMNS // 2 else f"{begun.rpartition(' ')[0]} …"
