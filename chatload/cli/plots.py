"""`chatload plots`: the pictures of runs, as `python -m plots` draws them."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.files.packaged import prefer_own
from chatload.model.program import program


def plots(argv: Sequence[str]) -> int:
    """Run `chatload plots`; returns the exit code."""
    prefer_own("plots")
    from plots.__main__ import main  # here, since matplotlib takes its time

    return main(argv, f"{program()} plots")
