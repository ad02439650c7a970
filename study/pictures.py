"""Pictures of the studies."""

from __future__ import annotations

from pathlib import Path

from study.measured import Results


def draw_article(results: Results, folder: Path) -> None:
    pass
