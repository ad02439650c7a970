"""`python -m chatload check RUN`: a gate for CI. Does the run hold its SLOs, and is it no worse than a baseline?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatload.analysis.comparable import load_conditions, refuse_unlike, served_conditions
from chatload.analysis.completeness import shortcomings
from chatload.analysis.effects import UNDECIDED, WORSE, none_failed
from chatload.analysis.exit_code import (
    FAILED_TURNS,
    GOOD,
    MISSED_SLO,
    UNTRUSTED,
    failed_words,
    too_many_failed,
)
from chatload.analysis.slo_verdict import with_slos
from chatload.analysis.summary import summarise
from chatload.cli.command_parser import Parser
from chatload.cli.compare import (
    Comparison,
    add_force,
    add_margin,
    compared_runs,
    runs_below,
    sentence,
    untrusted,
)
from chatload.model.errors import UsageError
from chatload.model.sanitize import one_line, shown
from chatload.model.slo import read_objectives
from chatload.model.summary import Summary
from chatload.model.verdict import MISSED, PART
from chatload.render.ci import add_to_job_summary, annotate, notices
from chatload.render.junit import Check, junit_xml
from chatload.render.markdown import escaped, summary_markdown, table
from chatload.render.run_files import read_runs
from chatload.render.slo_words import sentence as slo_sentence
from chatload.store.journal import Run

_END = {
    GOOD: "passed",
    FAILED_TURNS: "failed turns beyond the allowance",
    MISSED_SLO: "missed",
    UNTRUSTED: "not to be trusted",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the gate found: `doubts` forbid any conclusion, `told` are (verdict, sentence) of all it judged."""

    run: Run
    summary: Summary
    compared: Comparison | None
    doubts: tuple[str, ...]
    told: tuple[tuple[str, str], ...]
    failed: str
    strict: bool

    @property
    def bad(self) -> set[str]:
        """The verdicts that do not pass."""
        return {MISSED, WORSE} | ({UNDECIDED} if self.strict else set())

    @property
    def code(self) -> int:
        """The exit code."""
        if self.doubts:
            return UNTRUSTED
        if any(verdict in self.bad for verdict, _ in self.told):
            return MISSED_SLO
        return FAILED_TURNS if self.failed else GOOD

    @property
    def forced(self) -> tuple[str, ...]:
        """What --force went over."""
        return self.compared.forced if self.compared else ()


def check(argv: Sequence[str]) -> int:
    """a gate: do the SLOs hold, is the run no worse than a baseline"""
    chosen = _parser().parse_args(argv)
    objectives, mistakes = read_objectives(chosen.slo)
    if mistakes:
        raise UsageError(mistakes)
    run = read_runs([chosen.run])[0]
    summary = summarise(run)
    if objectives:
        summary = with_slos(summary, run.turns, objectives)
    if not summary.slo and chosen.baseline is None:
        raise UsageError([f"{chosen.run}: nothing to check by: name --slo or --baseline"])
    compared = None
    if chosen.baseline is not None:
        baseline = runs_below(chosen.baseline)
        forced = refuse_unlike(
            ("baseline", "run"),
            (baseline, [run]),
            lambda manifest: load_conditions(manifest) | served_conditions(manifest),
            force=chosen.force,
        )
        compared = replace(compared_runs(baseline, [run], chosen.margin), forced=forced)
    return _tell(_checked(run, summary, compared, chosen), chosen.junit)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m chatload check",
        description="Exit code 0 when nothing is missed and nothing is worse, 3 when something is, 1 when more turns "
        "failed than allowed, 4 when the measurement is not to be trusted or the run is not whole, 2 for a mistake "
        "and for a baseline made under other conditions. What is undecided passes, unless --strict.",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument(
        "--baseline", metavar="RUN", type=Path, help="run (or folder of runs) to be no worse than"
    )
    parser.add_argument(
        "--slo", action="append", default=[], help="SLO to judge by, instead of the run's own"
    )
    parser.add_argument("--strict", action="store_true", help="what is undecided is a miss too")
    parser.add_argument(
        "--allow-failed", type=_allowed, metavar="SHARE", help="share of turns that may fail; default: the run's own"
    )  # fmt: skip
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write what was checked as JUnit XML")
    add_margin(parser)
    add_force(parser)
    return parser


def _checked(run: Run, summary: Summary, compared: Comparison | None, chosen: argparse.Namespace) -> Checked:
    told: list[tuple[str, str]] = [
        (one.verdict, f"SLO {slo_sentence(one)}") for one in summary.slo if one.verdict != PART
    ]
    told += [
        ("" if none_failed(one) else one.verdict, f"against the baseline, {sentence(one)}")
        for one in (compared.effects if compared else ())
    ]
    failed = failed_words(summary) if too_many_failed(run, summary, chosen.allow_failed) else ""
    return Checked(run, summary, compared, tuple(_doubts(run, compared)), tuple(told), failed, chosen.strict)


def _tell(found: Checked, junit: Path | None) -> int:
    """Say every verdict, here and to GitHub; the exit code."""
    lines = [*found.forced, *found.doubts, *(words for _, words in found.told)]
    if found.failed:
        lines.append(f"{found.failed}: more than allowed (--allow-failed)")
    lines += found.compared.warnings if found.compared else ()
    _say([*lines, f"check: {_END[found.code]} (exit code {found.code})"])
    notes = [("warning", "compared by force", words) for words in found.forced]
    notes += [("error", "not to be trusted", words) for words in found.doubts]
    notes += notices(found.run, found.summary)
    notes += [
        ("error", "worse than the baseline", sentence(one))
        for one in (found.compared.effects if found.compared else ())
        if one.verdict == WORSE
    ]
    annotate(notes)
    add_to_job_summary(_markdown(found))
    if junit is not None:
        _write_junit(found, junit)
    return found.code


def _say(lines: Sequence[str]) -> None:
    """Print; a reader who has left (`| head -1`) changes nothing of the verdict."""
    try:
        sys.stdout.write(shown("".join(f"{one_line(words, 1000)}\n" for words in lines)))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _allowed(text: str) -> float:
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a share such as 1% or 0.01")
    return share


def _doubts(run: Run, compared: Comparison | None) -> list[str]:
    """Why nothing may be concluded at all."""
    runs = [run, *(compared.a if compared else ())]
    words = untrusted(runs)
    return words + [f"{one_line(one.folder.name, 80)}: {why}" for one in runs for why in shortcomings(one)]


def _markdown(found: Checked) -> str:
    head = "".join(f"> ⚠️ {escaped(words, 300)}\n" for words in found.forced)
    text = f"{head}\n" if head else ""
    text += summary_markdown(found.run, found.summary)
    if found.compared is None:
        return text
    rows = [[one.verdict, sentence(one)] for one in found.compared.effects]
    lines = ["", f"Against the baseline: **{found.compared.verdict}**", "", *table(["", ""], rows)]
    return shown(text + "\n".join(lines) + "\n")


def _write_junit(found: Checked, path: Path) -> None:
    cases: list[Check] = [("compared by --force", "system-out", words) for words in found.forced]
    cases += [("the measurement can be trusted", "failure", words) for words in found.doubts]
    for one in found.compared.effects if found.compared else ():
        tag = (
            "failure" if one.verdict in found.bad else "skipped" if one.verdict == UNDECIDED else "system-out"
        )
        cases.append((f"against the baseline: {one.words}", tag, sentence(one)))
    try:
        path.write_text(junit_xml(found.run, found.summary, cases), encoding="utf-8")
    except OSError as error:
        raise UsageError([f"--junit {path}: cannot be written: {error.strerror}"]) from error
