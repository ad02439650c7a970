"""A sweep's levels as a table: the article's last one."""

from __future__ import annotations

from chatload.analysis.sweep_levels import sweep_levels
from chatload.render.blocks import Block, Heading, Table
from chatload.render.text_table import number
from chatload.store.journal import Run


def levels(run: Run) -> list[Block]:
    """Tokens/s by requests in flight; nothing where the run is no sweep."""
    found = sweep_levels(run)
    if not found:
        return []
    rows = [["in flight", "held", "good turns", "tokens/s, all", "tokens/s, each", "all, times the first"]]
    first = next((level.tokens_per_s for level in found if level.tokens_per_s), None)
    for level in found:
        gain = level.tokens_per_s / first if first and level.tokens_per_s else None
        each = level.a_user if level.tokens_per_s else None
        good = f"{level.good:,} of {level.turns:,}"
        cells = [number(value) for value in (level.tokens_per_s, each, gain)]
        rows.append([f"{level.in_flight:,}", number(level.held), good, *cells])
    return [Heading("Levels: tokens/s by requests in flight"), Table(rows, left=0)]
