"""docs/article.md."""

from __future__ import annotations

from pathlib import Path

from study.measured import Results


def write_page(results: Results, path: Path) -> Path:
    return path
