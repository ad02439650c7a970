"""`chatload check RUN`: a gate for CI. Does the run hold its SLOs, and is it no worse than a baseline?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from chatload.analysis.comparison import check_run
from chatload.analysis.exit_code import FAILED_TURNS, GOOD, MISSED_SLO, UNSURE, UNTRUSTED, failed_words
from chatload.analysis.gate import Gate, gate
from chatload.analysis.slo_verdict import with_slos
from chatload.analysis.summary import summarise
from chatload.analysis.validity import validity_of
from chatload.cli.compare import add_force, add_margin, add_window, refuse_unlike, runs_below
from chatload.cli.output_file import STDOUT, write_stdout
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.sanitize import one_line, shown
from chatload.model.slo import read_objectives
from chatload.options.command_parser import Parser, share
from chatload.render.ci import add_to_job_summary, annotate, notices
from chatload.render.comparison_words import (
    EFFECT_MARKS,
    effect_words,
    headline,
    unlike_first,
    unusable_words,
)
from chatload.render.junit import junit_xml
from chatload.render.markdown import escaped, summary_markdown, table
from chatload.render.run_files import read_runs, refuse_repeated
from chatload.render.slo_words import sentence

_END = {
    GOOD: "passed",
    FAILED_TURNS: "failed turns beyond the allowance",
    MISSED_SLO: "missed",
    UNTRUSTED: "not to be trusted",
    UNSURE: "not sure, as --sure asks",
}


def check(argv: Sequence[str]) -> int:
    """Run `chatload check`; returns the exit code."""
    chosen = _parser().parse_args(argv)
    objectives, mistakes = read_objectives(chosen.slo)
    if mistakes:
        raise UsageError(mistakes)
    run = read_runs([chosen.run])[0]
    summary = summarise(run, chosen.window)
    if objectives:
        summary = with_slos(summary, run, objectives, chosen.window)
        summary = msgspec.structs.replace(summary, validity=validity_of(run, chosen.window, objectives))
    if not summary.slo and chosen.baseline is None:
        raise UsageError([f"{chosen.run}: nothing to check by: name --slo or --baseline"])
    comparison = None
    if chosen.baseline is not None:
        baselines = runs_below(chosen.baseline)
        refuse_repeated([*baselines, run])
        comparison = check_run(baselines, run, chosen.margin, window=chosen.window, force=chosen.force)
        refuse_unlike(comparison, force=chosen.force)
    found = gate(run, summary, comparison, sure=chosen.sure, allow_failed=chosen.allow_failed)
    return _tell(found, chosen.junit)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        "check",
        description="Exit code 0 when nothing is missed and nothing is worse, 3 when something is, 1 when more turns "
        "failed than allowed, 4 when the measurement is not to be trusted or the run is not whole, 2 for a mistake "
        "and for a baseline made under other conditions. What is met but not surely, or cannot be told from the "
        "baselines, passes; with --sure it is exit code 5.",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument(
        "--baseline",
        metavar="RUN",
        type=Path,
        help="run, or folder of runs (4 and more), to be no worse than",
    )
    parser.add_argument(
        "--slo", action="append", default=[], help="SLO to judge by, instead of the run's own"
    )
    parser.add_argument("--sure", action="store_true", help="what is not sure exits 5")
    parser.add_argument(
        "--allow-failed",
        type=share,
        metavar="SHARE",
        help="share of turns that may fail; default: the run's own",
    )
    parser.add_argument(
        "--junit",
        metavar="FILE",
        help="write what was checked as JUnit XML (-: standard output, and the words on standard error)",
    )
    add_margin(parser)
    add_force(parser)
    add_window(parser)
    return parser


def _tell(found: Gate, junit: str | None) -> int:
    """Say every verdict, here and to GitHub; the exit code."""
    compared = found.comparison
    lines = unlike_first(compared) if compared else []
    lines += [unusable_words(run, why) for run, why in found.unusable]
    lines += [f"SLO {sentence(one)}" for one in found.slo]
    lines += [headline(compared)] if compared else []
    lines += [f"against the baseline, {effect_words(one)}" for one in found.effects]
    if found.too_many_failed:
        lines.append(f"{failed_words(found.summary)}: more than allowed (--allow-failed)")
    lines += compared.warnings if compared else ()
    stream = sys.stderr if junit == STDOUT else sys.stdout
    _say([*lines, f"check: {_END[found.code]} (exit code {found.code})"], stream)
    annotate(notices(found), stream)
    add_to_job_summary(_markdown(found))
    if junit == STDOUT:
        write_stdout([junit_xml(found).encode()])
    elif junit is not None:
        try:
            Path(junit).write_text(junit_xml(found), encoding="utf-8")
        except OSError as error:
            raise UsageError([f"--junit {junit}: cannot be written: {error.strerror}"]) from error
    return found.code


def _say(lines: Sequence[str], stream: TextIO) -> None:
    """Print; a reader who has left (`| head -1`) changes nothing of the verdict."""
    output.write(stream, shown("".join(f"{one_line(words, 1000)}\n" for words in lines)))


def _markdown(found: Gate) -> str:
    text = summary_markdown(found.run, found.summary)
    if found.comparison is None:
        return text
    head = "".join(f"> ⚠️ {escaped(words, 300)}\n" for words in unlike_first(found.comparison))
    rows = [
        [f"{EFFECT_MARKS.get(one.verdict, '❔')} {one.verdict}", effect_words(one)] for one in found.effects
    ]
    lines = ["", f"**{escaped(headline(found.comparison), 400)}**", "", *table(["", ""], rows)]
    return shown((f"{head}\n" if head else "") + text + "\n".join(lines) + "\n")
