"""`python -m plots RUN… --out DIR`: every picture of the runs, overlaid."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import matplotlib

matplotlib.use("Agg")

from chatload.model.errors import UsageError
from chatload.model.sanitize import shown
from chatload.render.run_files import read_runs
from chatload.store.journal import Run
from plots import ttft_cdf
from plots.picture import drawn
from plots.registry import PICTURES
from plots.style import SETTINGS

ARTICLE_MS = 152.0
"""The article's JMeter "Latency": the first byte of a reply, which is no token."""

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
    parser.add_argument("--only", help=f"comma-separated: {', '.join(PICTURES)} (those that fit the runs)")
    parser.add_argument("--slo-ms", type=float, metavar="MS", help="a line at this TTFT in ttft_cdf")
    parser.add_argument("--article", action="store_true", help="a line at the article's 152 ms in ttft_cdf")
    try:
        chosen = parser.parse_args(argv)
        formats = _listed("--format", chosen.format, FORMATS)
        only = None if chosen.only is None else _listed("--only", chosen.only, tuple(PICTURES))
        runs = read_runs(chosen.runs)
        names = only or fitting(runs)
        limits = _limits(chosen.slo_ms, chosen.article)
        if chosen.out is None and len(runs) > 1:
            raise UsageError(["--out: name the folder to write to; several runs have no common one"])
        for path in write_plots(runs, chosen.out or runs[0].folder / "plots", formats, names, limits):
            sys.stdout.write(f"{path}\n")
    except UsageError as error:
        sys.stderr.write(shown("\n".join(error.lines) + "\n"))
        return 2
    return 0


def fitting(runs: Sequence[Run]) -> list[str]:
    """The pictures that have something to say of these runs."""
    return [name for name, picture in PICTURES.items() if runs and picture.fits(runs)]


def _limits(slo_ms: float | None, article: bool) -> tuple[ttft_cdf.Limit, ...]:
    if slo_ms is not None and not slo_ms > 0:
        raise UsageError([f"--slo-ms {slo_ms:g}: must be more than 0"])
    asked = [] if slo_ms is None else [ttft_cdf.Limit(f"SLO {slo_ms:g} ms", slo_ms)]
    if article:
        asked.append(ttft_cdf.Limit("the article’s 152 ms, a first byte", ARTICLE_MS))
    return tuple(asked)


def write_plots(
    runs: Sequence[Run],
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    names: Sequence[str] = (),
    limits: Sequence[ttft_cdf.Limit] = (),
) -> list[Path]:
    """Draw the named pictures (else those that fit) into the folder; the files written. UsageError if it cannot be."""
    draws = {name: picture.draw for name, picture in PICTURES.items()}
    draws["ttft_cdf"] = partial(ttft_cdf.draw, limits=limits)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or fitting(runs):
            figure = drawn(draws[name], runs)
            for suffix in formats:
                path = folder / f"{name}.{suffix}"
                with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
                    figure.savefig(path, dpi=150, metadata=_metadata(suffix))
                written.append(path)
    except OSError as error:
        raise UsageError([f"--out {folder}: cannot be written: {error.strerror}"]) from error
    return written


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
