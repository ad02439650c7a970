"""One picture as a figure, or as a file for pages of documentation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from chatload.model.sanitize import one_line
from chatload.render.run_verdict import simulated
from chatload.store.journal import Run
from plots.style import SETTINGS, frame

Draw = Callable[[Sequence[Run], Figure], None]
DPI = 100


def has_turns(runs: Sequence[Run]) -> bool:
    """Whether there is anything to draw: what pictures ask that have no `fits` of their own."""
    return any(run.turns for run in runs)


@dataclass(frozen=True, slots=True)
class Picture:
    """The question that a picture answers, what draws it, its caption, and of which runs it says anything.

    `section` is the id of report.html's section that shows it; `most_runs` the number of runs it draws at most.
    """

    name: str
    title: str
    draw: Draw
    note: str = ""
    section: str = "pictures"
    most_runs: int | None = None
    fits: Callable[[Sequence[Run]], bool] = has_turns

    def having(self, **options: Any) -> Picture:
        """The picture with options of its `draw`, such as limits or references."""
        return replace(self, draw=partial(self.draw, **options))


def note_of(picture: Picture, runs: Sequence[Run]) -> str:
    """The caption, which says how many of the runs are drawn, and of simulated servers that they are."""
    most = picture.most_runs
    left_out = f"The first {most} of {len(runs)} runs." if most is not None and len(runs) > most else ""
    return " ".join(filter(None, (picture.note, left_out, simulated(runs))))


def failure_words(picture: Picture, error: Exception) -> str:
    """One line on a picture that could not be drawn."""
    return one_line(f"plots/{picture.name}.py failed: {type(error).__name__}: {error}", 300)


def drawn(picture: Picture, runs: Sequence[Run]) -> Figure:
    """The picture as a figure of a file: question and legend above, caption below."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        picture.draw(runs, figure)
        frame(figure, picture.title, note_of(picture, runs))
    return figure


def write_picture(picture: Picture, runs: Sequence[Run], *paths: Path, dpi: int = DPI) -> None:
    """Draw the runs into files, each of the kind that its name says; the same runs give the same bytes."""
    figure = drawn(picture, runs)
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}}
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=dpi, metadata=undated[path.suffix])
