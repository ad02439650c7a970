"""What a finished run leaves: its summary and reports, the verdict, and the exit code they call for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chatload.plan import CapacityLoad, Plan
from chatload.record.journal import read_run
from chatload.report.annotations import annotate, notices, write_ci_files
from chatload.report.command import keep_report, keep_summary, summary_of
from chatload.report.judge import MISSED, worst
from chatload.report.text import verdict
from chatload.report.verdict_words import sentence


def finish(folder: Path, plan: Plan, say: Callable[[str], None]) -> int:
    """Write what a finished run leaves, say the verdict.

    Exit code 3 for a missed SLO, 1 when more turns failed than allowed.
    """
    run = read_run(folder)
    summary = summary_of(run)
    keep_summary(run, summary)
    write_ci_files(run, summary)
    page = keep_report(run, summary)
    if page is not None:
        say(f"chatload: open in a browser: {page}")
    if run.turns:
        say(f"chatload: {verdict(summary)}")
    if isinstance(plan.load, CapacityLoad):  # its SLOs are asked of each level, not of the run as a whole
        say(f"chatload: more: python -m chatload report {folder}")
        if not summary["trust"]["trustworthy"]:
            return 4
        return 0 if (run.manifest.get("capacity") or {}).get("users") else 3
    for one in summary["slo"]:
        say(f"chatload: SLO {sentence(one)}")
    annotate(notices(run, summary))
    say(f"chatload: more: python -m chatload report {folder}")
    if not summary["trust"]["trustworthy"]:
        return 4
    if worst(summary["slo"]) == MISSED:
        return 3
    failed = sum(summary["failed"].values())
    return 1 if failed > plan.allow_failed * summary["turns"] or (failed and not summary["turns"]) else 0
