"""`python -m plots RUN… --out DIR`: every picture of the runs, overlaid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chatload.model.errors import UsageError
from chatload.model.sanitize import shown
from chatload.options.command_parser import Parser
from chatload.render.run_files import read_runs
from chatload.store.journal import Run
from chatload.store.new_folder import name_mistake
from plots import ttft_cdf
from plots.picture import failure_words, write_picture
from plots.registry import PICTURES

ARTICLE_MS = 152.0
"""The article's JMeter "Latency": the first byte of a reply, which is no token."""

DPI = 150
FORMATS = ("png", "svg", "pdf")


def main(argv: Sequence[str], prog: str = "python -m plots") -> int:
    """Draw what was asked for; 2 for a mistake of the user, or a picture that failed."""
    parser = Parser(prog=prog, description="Draw runs, several overlaid.")
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument("--out", metavar="DIR", help="where to write (one RUN: its folder plots/)")
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
        if not names:
            sys.stderr.write("no picture fits these runs\n")
        limits = _limits(chosen.slo_ms, chosen.article)
        if chosen.out is None and len(runs) > 1:
            raise UsageError(["--out: name the folder to write to; several runs have no common one"])
        if wrong := name_mistake(chosen.out or ""):
            raise UsageError([wrong])
        folder = Path(chosen.out) if chosen.out else runs[0].folder / "plots"
        failed = write_plots(runs, folder, formats, names, limits)
    except UsageError as error:
        failed = error.lines
    sys.stderr.write(shown("".join(f"{line}\n" for line in failed)))
    return 2 if failed else 0


def fitting(runs: Sequence[Run]) -> list[str]:
    """The pictures that have something to say of these runs."""
    return [name for name, picture in PICTURES.items() if picture.fits(runs)]


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
    formats: Sequence[str],
    names: Sequence[str],
    limits: Sequence[ttft_cdf.Limit] = (),
) -> list[str]:
    """Draw the named pictures into the folder and print the files; a line for each that failed.

    UsageError if the folder cannot be written.
    """
    failed = []
    pictures = {**PICTURES, "ttft_cdf": PICTURES["ttft_cdf"].having(limits=limits)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            paths = [folder / f"{name}.{suffix}" for suffix in formats]
            try:
                write_picture(pictures[name], runs, *paths, dpi=DPI)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - a picture may be anybody's; the others are drawn without it
                failed.append(failure_words(pictures[name], error))
            else:
                sys.stdout.write("".join(f"{path}\n" for path in paths))
    except OSError as error:
        raise UsageError([f"--out {folder}: cannot be written: {error.strerror}"]) from error
    return failed


def _listed(option: str, words: str, allowed: Sequence[str]) -> list[str]:
    asked = [word.strip() for word in words.split(",") if word.strip()]
    wrong = [word for word in asked if word not in allowed]
    if wrong or not asked:
        raise UsageError([f"{option} {words!r}: must be some of {', '.join(allowed)}, separated by commas"])
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
