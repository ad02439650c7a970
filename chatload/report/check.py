"""`python -m chatload check RUN`: a gate for CI. Does the run hold its SLOs, and is it no worse than a baseline?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatload.errors import UsageError
from chatload.record.journal import Run
from chatload.report.annotations import add_to_job_summary, annotate, notices
from chatload.report.command import Parser, read_runs, summary_of
from chatload.report.compare import Comparison, add_margin, compared_runs, runs_below, sentence, untrusted
from chatload.report.effects import UNDECIDED, WORSE, none_failed
from chatload.report.judge import MISSED, PART, summary_of_slos, worst
from chatload.report.junit import failed_words
from chatload.report.markdown import summary_markdown, table
from chatload.report.verdict_words import sentence as slo_sentence
from chatload.slo import read_objectives

GOOD, MISS, UNTRUSTED = 0, 3, 4


def check(argv: Sequence[str]) -> int:
    """a gate: do the SLOs hold, is the run no worse than a baseline"""
    parser = Parser(
        prog="python -m chatload check",
        description="Exit code 0 when nothing is missed and nothing is worse, 3 when something is, 4 when the "
        "measurement is not to be trusted, 2 for a mistake. What is undecided passes, unless --strict.",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument(
        "--baseline", metavar="RUN", type=Path, help="run (or folder of runs) to be no worse than"
    )
    parser.add_argument(
        "--slo", action="append", default=[], help="SLO to judge by, instead of the run's own"
    )
    parser.add_argument("--strict", action="store_true", help="what is undecided is a miss too")
    add_margin(parser)
    chosen = parser.parse_args(argv)
    objectives, mistakes = read_objectives(chosen.slo)
    if mistakes:
        raise UsageError(mistakes)
    run = read_runs([chosen.run])[0]
    summary = summary_of(run)
    if objectives:
        summary |= summary_of_slos(run.turns, objectives)
    if not summary["slo"] and chosen.baseline is None:
        raise UsageError([f"{chosen.run}: nothing to check by: name --slo or --baseline"])
    compared = None
    if chosen.baseline is not None:
        compared = compared_runs(runs_below(chosen.baseline), [run], chosen.margin)
    return _tell(run, summary, compared, strict=chosen.strict)


def _tell(run: Run, summary: dict[str, Any], compared: Comparison | None, *, strict: bool) -> int:
    """Say every verdict, here and to GitHub; the exit code."""
    doubts = _doubts(run, summary, compared)
    told = [(one["verdict"], f"SLO {slo_sentence(one)}") for one in summary["slo"] if one["verdict"] != PART]
    notes = notices(run, summary)
    if compared is not None:
        told += [
            ("" if none_failed(one) else one.verdict, f"against the baseline, {sentence(one)}")
            for one in compared.effects
        ]
        notes += [
            ("error", "worse than the baseline", sentence(one))
            for one in compared.effects
            if one.verdict == WORSE
        ]
    bad = {MISSED, WORSE} | ({UNDECIDED} if strict else set())
    missed = any(verdict in bad for verdict, _ in told)
    for words in (*doubts, *(words for _, words in told), *(compared.warnings if compared else ())):
        sys.stdout.write(f"{words}\n")
    code = UNTRUSTED if doubts else MISS if missed or worst(summary["slo"]) == MISSED else GOOD
    sys.stdout.write(f"check: {_END[code]} (exit code {code})\n")
    annotate([*(("error", "not to be trusted", words) for words in doubts), *notes])
    add_to_job_summary(summary_markdown(run, summary) + _baseline_markdown(compared))
    return code


_END = {GOOD: "passed", MISS: "missed", UNTRUSTED: "not to be trusted"}


def _doubts(run: Run, summary: dict[str, Any], compared: Comparison | None) -> list[str]:
    """Why nothing may be concluded at all."""
    words = untrusted([run, *(compared.a if compared else ())])
    if not summary["turns"]:
        words.append(f"{run.folder.name}: {failed_words(summary)}: nothing was measured.")
    if run.manifest.get("ended") == "running":
        words.append(f"{run.folder.name}: still going on, or killed: not the whole run.")
    return words


def _baseline_markdown(compared: Comparison | None) -> str:
    if compared is None:
        return ""
    rows = [[one.verdict, sentence(one)] for one in compared.effects]
    return "\n".join(["", f"Against the baseline: **{compared.verdict}**", "", *table(["", ""], rows)]) + "\n"
