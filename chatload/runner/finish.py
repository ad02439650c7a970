"""What a finished run leaves: its summary and reports, the verdict, and the exit code they call for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from chatload.analysis.exit_code import code_of
from chatload.analysis.gate import gate
from chatload.analysis.summary import summarise
from chatload.loads.plan import Plan
from chatload.model.program import program
from chatload.render.blocks import Figure
from chatload.render.ci import annotate, notices
from chatload.render.run_files import keep_ci_files, keep_report, keep_summary
from chatload.render.run_verdict import headline
from chatload.render.slo_words import sentence
from chatload.store.journal import Run, read_run

Draw = Callable[[Sequence[Run]], Sequence[Figure]]


def finish(folder: Path, plan: Plan, say: Callable[[str], None], draw: Draw) -> int:
    """Write what a finished run leaves, say the verdict and, where it is not good, why; returns the exit code.

    `draw` makes the figures of report.html.
    """
    run = read_run(folder)
    summary = summarise(run)
    keep_summary(run, summary)
    keep_ci_files(run, summary)
    page = keep_report(run, summary, draw([run]))
    if page is not None:
        say(f"chatload: open in a browser: {page}")
    say(f"chatload: more: {program()} report {folder}")
    if run.turns:
        say(f"chatload: {headline(run, summary)}")
    if not plan.load.by_level:  # its SLOs are judged level by level
        for one in summary.slo:
            say(f"chatload: SLO {sentence(one)}")
        annotate(notices(gate(run, summary)))
    code, why = code_of(run, summary)
    if why:
        say(f"chatload: exit code {code}: {why}")
    return code
