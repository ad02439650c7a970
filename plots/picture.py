"""One picture as a figure, or as a file for pages of documentation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from chatload.store.journal import Run
from plots.style import SETTINGS

DPI = 100


def drawn(draw: Callable[..., None], runs: Sequence[Run]) -> Figure:
    """The picture as a figure, in the common style."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        draw(runs, figure)
    return figure


def write_picture(draw: Callable[..., None], runs: Sequence[Run], path: Path) -> None:
    """Draw the runs as a PNG of DPI dots an inch; the same runs give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = drawn(draw, runs)
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
