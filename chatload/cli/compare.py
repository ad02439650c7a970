"""`python -m chatload compare A B`: is B better, by how much, and how sure is that?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chatload.analysis.bootstrap import RESAMPLES
from chatload.analysis.comparable import all_conditions, load_conditions, model_of, refuse_unlike, unlike
from chatload.analysis.effects import (
    BETTER,
    FAILED_MARGIN,
    LEAST_ROUNDS,
    SAME,
    UNDECIDED,
    WORSE,
    Effect,
    Side,
    effects,
    overall,
)
from chatload.analysis.goodput import conversations_of
from chatload.cli.command_parser import Parser
from chatload.loads.chat import ChatLoad
from chatload.model.errors import UsageError
from chatload.model.sanitize import json_text, one_line, shown
from chatload.render.run_files import read_runs
from chatload.render.text_table import ABSENT, indented, number, plural, table
from chatload.store.journal import Run
from chatload.store.manifest import MANIFEST

UNTRUSTED_EXIT = 4
WORDS = {
    SAME: "the same",
    BETTER: "better",
    WORSE: "worse",
    UNDECIDED: "undecided: more conversations are needed to tell",
    "mixed": "better in some, worse in others",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A, ready to be printed."""

    a: tuple[Run, ...]
    b: tuple[Run, ...]
    margin: float
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]
    forced: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """same, better, worse, mixed or undecided."""
        return overall(self.effects)


def compare(argv: Sequence[str]) -> int:
    """is run B better than run A: the effect on each metric, and how sure it is"""
    parser = Parser(
        prog="python -m chatload compare",
        description="B against A. Each is a run folder, or a folder of run folders that belong together "
        "(rounds). Exit code 0, whatever the verdict; see check for a gate. Runs under different loads are refused.",
    )
    parser.add_argument("a", metavar="A", type=Path)
    parser.add_argument("b", metavar="B", type=Path)
    add_margin(parser)
    add_force(parser)
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    chosen = parser.parse_args(argv)
    a, b = runs_below(chosen.a), runs_below(chosen.b)
    forced = refuse_unlike(("A", "B"), (a, b), load_conditions, force=chosen.force)
    compared = replace(compared_runs(a, b, chosen.margin), forced=forced)
    if chosen.json:
        sys.stdout.write(json_text(as_json(compared)))
    else:
        sys.stdout.write(compared_text(compared))
    return 0


def add_margin(parser: argparse.ArgumentParser) -> None:
    """--margin, as compare and check have it."""
    parser.add_argument(
        "--margin", type=_margin, default=0.05, metavar="SHARE",
        help="differences up to this share are the same (default 5%%)",
    )  # fmt: skip


def add_force(parser: argparse.ArgumentParser) -> None:
    """--force, as compare and check have it."""
    parser.add_argument(
        "--force", action="store_true", help="go on where the runs were not made alike, and say so first"
    )


def runs_below(folder: Path) -> list[Run]:
    """The run of a folder, or all runs of the folders in it."""
    if (folder / MANIFEST).exists() or not folder.is_dir():
        return read_runs([folder])
    within = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not within:
        raise UsageError([f"{folder}: holds no run (no manifest.json in it or one level below)"])
    return read_runs(within)


def compared_runs(
    a: Sequence[Run], b: Sequence[Run], margin: float, resamples: int = RESAMPLES
) -> Comparison:
    """Both sides pooled, each round a stratum."""
    found = effects(_side(a), _side(b), margin, resamples=resamples)
    return Comparison(tuple(a), tuple(b), margin, tuple(found), tuple(_warnings(a, b, found)))


def compared_text(compared: Comparison) -> str:
    """Verdict, table, and what to doubt."""
    lines = [line for words in compared.forced for line in indented(words, "", "  ")]
    lines += indented(f"B against A: {WORDS[compared.verdict]}.", "", "")
    lines += [""]
    for letter, runs in (("A", compared.a), ("B", compared.b)):
        lines += indented(f"{one_line(runs[0].name, 60)}, {_amount(runs)}", f"{letter}  ")
    rows = [["", "", "A", "B", "B to A", "interval", "verdict"]]
    rows += [
        [
            one.words,
            one.unit,
            _value(one, one.a),
            _value(one, one.b),
            _change(one),
            _interval(one),
            one.verdict,
        ]
        for one in compared.effects
    ]
    lines += ["", *table(rows, left=2)]
    lines += [
        line
        for one in compared.effects
        if one.remark
        for line in indented(f"{one.words}: {one.remark}", "  - ", "    ")
    ]
    lines += ["", *indented(_how_sure(compared), "", "")]
    if compared.warnings:
        lines += [
            "",
            "Doubts",
            *(line for one in compared.warnings for line in indented(one, "  - ", "    ")),
        ]
    return shown("\n".join(lines) + "\n")


def as_json(compared: Comparison) -> dict[str, Any]:
    """The comparison as JSON; `effect` is B / A (failed_share: B − A), `interval` of it."""
    return {
        "format": 1,
        "forced": list(compared.forced),
        "verdict": compared.verdict,
        "margin": compared.margin,
        "failed_margin": FAILED_MARGIN,
        "confidence_together": 0.95,
        "a": [one_line(run.folder, 400) for run in compared.a],
        "b": [one_line(run.folder, 400) for run in compared.b],
        "metrics": [asdict(one) for one in compared.effects],
        "warnings": list(compared.warnings),
    }


def sentence(one: Effect) -> str:
    """One effect in a sentence."""
    if one.interval is None:
        return f"{one.words}: {one.verdict}, {one.remark}"
    why = f", {one.remark}" if one.remark and one.verdict in (BETTER, WORSE) else ""
    values = f"{_value(one, one.a)} → {_value(one, one.b)} {one.unit}"
    return f"{one.words}: {one.verdict}, {values} ({_interval(one)}){why}"


def untrusted(runs: Sequence[Run]) -> list[str]:
    """Runs that said themselves that their measurement is not to be trusted."""
    return [
        f"{one_line(run.folder.name, 80)} ended with exit code 4: its measurement is not to be trusted."
        for run in runs
        if run.manifest.exit_code == UNTRUSTED_EXIT
    ]


def _side(runs: Sequence[Run]) -> Side:
    closed = all(isinstance(run.manifest.load, ChatLoad) for run in runs)
    return Side(tuple(tuple(conversations_of(run.turns)) for run in runs), closed)


def _warnings(a: Sequence[Run], b: Sequence[Run], found: Sequence[Effect]) -> list[str]:
    """What else may be the cause of a difference, and what the intervals do not know."""
    words = untrusted([*a, *b])
    for name, one, other in unlike(a, b, lambda manifest: all_conditions(manifest) | model_of(manifest)):
        words.append(f"Not alike: {name} ({one} against {other}): a difference may come from here.")
    sources = [sorted({t.token_source for run in runs for t in run.turns if t.ok}) for runs in (a, b)]
    if sources[0] != sources[1]:
        told = " against ".join(", ".join(names) or "none" for names in sources)
        words.append(f"Tokens are counted differently ({told}): speeds in tokens/s may not compare.")
    if any((one.a or 0) != (one.b or 0) for one in found if one.metric == "failed_share"):
        words.append(
            "Turns failed: speeds are of good turns only, and a server that refuses work looks fast."
        )
    unfinished = [run for run in (*a, *b) if run.manifest.ended != "done"]
    if unfinished:
        words.append(
            f"{plural(len(unfinished), 'run')} did not end by the plan: the slow turns may be missing."
        )
    if min(len(a), len(b)) < LEAST_ROUNDS:
        words.append(
            f"{plural(min(len(a), len(b)), 'run')} a side: what changes from one run to the next is in no interval. "
            f"python -m chatload ab runs both in turns; {LEAST_ROUNDS} rounds show it."
        )
    return words


def _amount(runs: Sequence[Run]) -> str:
    conversations = [one for run in runs for one in conversations_of(run.turns)]
    turns = sum(map(len, conversations))
    rounds = f"{plural(len(runs), 'run')}, " if len(runs) > 1 else ""
    return f"{rounds}{plural(turns, 'turn')} in {plural(len(conversations), 'conversation')}"


def _how_sure(compared: Comparison) -> str:
    return (
        f"All {len(compared.effects)} intervals hold together with 95 % (Bonferroni), by bootstrap over whole "
        f"conversations. Same: the interval lies within ±{100 * compared.margin:g} % (failed turns: within "
        f"±{100 * FAILED_MARGIN:g} percent point). Better or worse: it leaves out no change."
    )


def _value(one: Effect, value: float | None) -> str:
    return number(None if value is None else 100 * value if one.unit == "%" else value)


def _change(one: Effect) -> str:
    if one.effect is None:
        return ABSENT
    return _points(one.effect) if one.unit == "%" else _percent(one.effect)


def _interval(one: Effect) -> str:
    if one.interval is None:
        return "n too small"
    say = _points if one.unit == "%" else _percent
    return f"{say(one.interval[0])} … {say(one.interval[1])}"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %" if ratio < 10 else f"×{ratio:.3g}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} pt"


def _margin(text: str) -> float:
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a share such as 5% or 0.05")
    return share
