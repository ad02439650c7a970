"""`python -m plots RUN… --out DIR`: every picture of the runs, overlaid."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

from chatload.errors import UsageError
from chatload.record.journal import Run
from chatload.report.command import read_runs
from plots import gaps, over_time, tokens_per_s, ttft_cdf
from plots.style import SETTINGS

PLOTS: dict[str, Callable[[Sequence[Run], Figure], None]] = {
    "ttft_cdf": ttft_cdf.draw,
    "over_time": over_time.draw,
    "tokens_per_s": tokens_per_s.draw,
    "gaps": gaps.draw,
}
"""The map of pictures: name of module and file → what draws it."""

FORMATS = ("png", "svg", "pdf")


class Parser(argparse.ArgumentParser):
    """argparse whose mistakes end like all others: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError([f"{self.prog}: {message} (see {self.prog} --help)"])


def main(argv: Sequence[str]) -> int:
    """Draw what was asked for; 2 for a mistake of the user."""
    parser = Parser(prog="python -m plots", description="Draw runs, several overlaid.")
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (one RUN: its folder plots/)")
    parser.add_argument(
        "--format", default="png,svg", help=f"comma-separated: {', '.join(FORMATS)} (png,svg)"
    )
    parser.add_argument("--only", default=",".join(PLOTS), help=f"comma-separated: {', '.join(PLOTS)} (all)")
    try:
        chosen = parser.parse_args(argv)
        formats = _listed("--format", chosen.format, FORMATS)
        names = _listed("--only", chosen.only, tuple(PLOTS))
        runs = read_runs(chosen.runs)
        if chosen.out is None and len(runs) > 1:
            raise UsageError(["--out: name the folder to write to; several runs have no common one"])
        for path in write_plots(runs, chosen.out or runs[0].folder / "plots", formats, names):
            sys.stdout.write(f"{path}\n")
    except UsageError as error:
        sys.stderr.write("\n".join(error.lines) + "\n")
        return 2
    return 0


def write_plots(
    runs: Sequence[Run],
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    names: Sequence[str] = tuple(PLOTS),
) -> list[Path]:
    """Draw the named pictures of the runs into the folder; the files written. UsageError if it cannot be."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            figure = drawn(PLOTS[name], runs)
            for suffix in formats:
                path = folder / f"{name}.{suffix}"
                with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
                    figure.savefig(path, dpi=150, metadata=_metadata(suffix))
                written.append(path)
    except OSError as error:
        raise UsageError([f"--out {folder}: cannot be written: {error.strerror}"]) from error
    return written


def drawn(draw: Callable[[Sequence[Run], Figure], None], runs: Sequence[Run]) -> Figure:
    """The picture as a figure, in the common style."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        draw(runs, figure)
    return figure


def _metadata(suffix: str) -> dict[str, str | None]:
    """No date in the file: the same run draws the same bytes."""
    dates = {"svg": "Date", "pdf": "CreationDate"}
    return {dates[suffix]: None} if suffix in dates else {}


def _listed(option: str, words: str, allowed: Sequence[str]) -> list[str]:
    asked = [word.strip() for word in words.split(",") if word.strip()]
    wrong = [word for word in asked if word not in allowed]
    if wrong or not asked:
        raise UsageError([f"{option} {words!r}: must be some of {', '.join(allowed)}, separated by commas"])
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
