"""`chatload compare A B`: is B better, by how much, and how sure is that?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from chatload.analysis.comparison import MARGIN, Comparison, compare_runs
from chatload.analysis.cost import with_prices
from chatload.model.errors import UsageError
from chatload.model.sanitize import json_text
from chatload.options.command_parser import Parser, share
from chatload.options.option import InvalidValue, Option
from chatload.options.run_options import PRICE, SERVER_COST, WINDOW
from chatload.render.comparison_words import comparison_json, comparison_text
from chatload.render.run_files import read_runs, refuse_repeated
from chatload.store.journal import Run
from chatload.store.manifest import MANIFEST


def compare(argv: Sequence[str]) -> int:
    """Run `chatload compare`; returns the exit code."""
    parser = Parser(
        "compare",
        description="B against A. Each is a run folder, or a folder of run folders that belong together "
        "(rounds, compared in pairs; from 3 on B may be better or worse). Exit code 0, whatever the verdict; see check "
        "for a gate. Runs under different loads are refused.",
    )
    parser.add_argument("a", metavar="A", type=Path)
    parser.add_argument("b", metavar="B", type=Path)
    add_margin(parser)
    add_force(parser)
    add_window(parser)
    add_prices(parser)
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    chosen = parser.parse_args(argv)
    a, b = runs_below(chosen.a), runs_below(chosen.b)
    for run in (*a, *b):
        with_prices(run, chosen.price, chosen.server_cost)
    refuse_repeated([*a, *b])
    found = compare_runs(a, b, chosen.margin, window=chosen.window, force=chosen.force)
    words = json_text(comparison_json(found)) if chosen.json else comparison_text(found)
    if found.equal_lengths is not None:  # which tells something all the same
        sys.stdout.write(words)
    refuse_unlike(found, force=chosen.force)
    if found.equal_lengths is None:
        sys.stdout.write(words)
    return 0


def add_margin(parser: argparse.ArgumentParser) -> None:
    """--margin, as compare and check have it."""
    parser.add_argument(
        "--margin",
        type=share,
        default=MARGIN,
        metavar="SHARE",
        help="differences up to this share are the same (default 5%%)",
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """--force, as compare and check have it."""
    parser.add_argument(
        "--force", action="store_true", help="go on where the runs were not made alike, and say so first"
    )


def add_window(parser: argparse.ArgumentParser) -> None:
    """--window, as report, compare and check have it."""
    parser.add_argument(
        "--window", choices=WINDOW.choices, default="", help=f"{WINDOW.help}; default: as each run was told"
    )


def add_prices(parser: Parser) -> None:
    """--price and --server-cost, as report and compare have them: for runs that were made without."""
    for option in (PRICE, SERVER_COST):
        parser.add_argument(
            f"--{option.name}",
            type=partial(_parsed, option),
            metavar="TEXT",
            help=f"{option.help}; default: as each run was told",
        )


def _parsed(option: Option[object], text: str) -> object:
    try:
        return option.parse(text)
    except InvalidValue as wrong:
        raise argparse.ArgumentTypeError(f"{text[:80]!r}: {wrong}") from None


def refuse_unlike(found: Comparison, *, force: bool) -> None:
    """UsageError, a line for each condition that differs, unless `force`."""
    if found.not_alike and not force:
        one, other = found.names
        remedy = "run both under the same conditions, or add --force"
        raise UsageError([*found.not_alike, f"{one} and {other} cannot be compared: {remedy}"])


def runs_below(folder: Path) -> list[Run]:
    """The run of a folder, or all runs of the folders in it."""
    if (folder / MANIFEST).exists() or not folder.is_dir():
        return read_runs([folder])
    within = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not within:
        raise UsageError([f"{folder}: holds no run (no manifest.json in it or one level below)"])
    return read_runs(within)
