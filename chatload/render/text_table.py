"""Text as wide as the terminal, else on 80 columns: aligned tables, wrapped lines, numbers as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar

from chatload.analysis.quantiles import too_few
from chatload.model.sanitize import columns, one_line, wrapped
from chatload.model.summary import PERCENTILES, Distribution, WithFailures
from chatload.model.verdict import Bound

WIDTH = 80
"""Columns of a text that goes to no terminal."""
NARROWEST, WIDEST = 24, 120
"""Columns of a text in a terminal, however narrow or wide it is."""
ABSENT = "–"

_terminal: ContextVar[int | None] = ContextVar("terminal", default=None)


def width() -> int:
    """Columns of the text that is made now."""
    return _terminal.get() or WIDTH


def fit(columns_there: int | None) -> None:
    """Make texts as wide as the terminal from here on; None: they go to none."""
    _terminal.set(None if columns_there is None else min(WIDEST, max(NARROWEST, columns_there)))


def number(value: float | None) -> str:
    """Three digits that count, thousands with a comma, from 100,000 on in k; “–” where there is none."""
    if value is None or not math.isfinite(value):
        return ABSENT
    size = abs(value)
    if size >= 99_999.5:
        return f"{value / 1000:,.0f}k"
    if size >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"


def statistic(found: Distribution | WithFailures, name: str) -> str:
    """One number of a distribution, as text: “n<368” where n cannot support the percentile."""
    if name in found.too_small:
        return too_few(found.n, PERCENTILES[name])
    return number(found.statistic(name))


def range_words(interval: tuple[Bound, Bound] | None) -> str:
    """An interval; None is one that n cannot give, and so is an end that is None: the interval is one-sided."""
    low, high = interval or (None, None)
    if low is None or high is None:
        return (
            f"≥ {number(low)}"
            if low is not None
            else f"≤ {number(high)}"
            if high is not None
            else "n too small"
        )
    return f"{number(low)} … {number(high)}"


def seconds(ms: float | None) -> str:
    """A time as a reader says it: below 1 s in ms, above in s."""
    if ms is None:
        return ABSENT
    return f"{number(ms)} ms" if ms < 1000 else f"{number(ms / 1000)} s"


def share(part: int, whole: int) -> str:
    """part ÷ whole in percent, never 0 for something nor 100 for not all."""
    if not whole:
        return ABSENT
    percent = 100 * part / whole
    if part and percent < 0.1:
        return "<0.1 %"
    if part < whole and percent > 99.9:
        return ">99.9 %"
    return f"{percent:.1f} %"


def table(rows: Sequence[Sequence[str]], left: int = 1, gap: int = 2) -> list[str]:
    """Rows as aligned lines: the first `left` columns to the left, numbers to the right."""
    widths = _widths(rows)
    lines = []
    for row in rows:
        cells = [
            _padded(cell, wide, i < left) for i, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * gap).join(cells).rstrip())
    return lines


def table_that_fits(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A table of at most `width()` - 2 columns: closer if it is too wide, else in several of fewer columns each.

    Each of them has the first column, and a blank line before it. Where that and one more do not fit a terminal,
    cells are cut.
    """
    limit = width() - 2
    widths = _widths(rows)
    for gap in (2, 1):
        if sum(widths) + gap * (len(widths) - 1) <= limit:
            return table(rows, left, gap)
    kept = max(1, left)
    if sum(widths[:kept]) + 2 * kept + max(widths[kept:], default=0) > limit and _terminal.get():
        rows, kept = _cut(rows, limit), 1
        left, widths = min(left, 1), _widths(rows)
    until, used = kept, sum(widths[:kept]) + 2 * (kept - 1)
    while until < len(widths) and (until == kept or used + 2 + widths[until] <= limit):
        used += 2 + widths[until]
        until += 1
    first = table([row[:until] for row in rows], left)
    if until >= len(widths):
        return first
    return [*first, "", *table_that_fits([[*row[:kept], *row[until:]] for row in rows], left)]


def _cut(rows: Sequence[Sequence[str]], limit: int) -> list[list[str]]:
    """The rows with cells so short that the first column and any other one fit."""
    others = min(max(_widths(rows)[1:], default=0), limit // 2)
    first = max(1, limit - 2 - others if others else limit)
    return [[one_line(cell, others if at else first) for at, cell in enumerate(row)] for row in rows]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(columns(row[i]) for row in rows) for i in range(len(rows[0]))]


def _padded(cell: str, wide: int, to_the_left: bool) -> str:
    blank = " " * (wide - columns(cell))
    return cell + blank if to_the_left else blank + cell


def indented(text: str, first: str = "  ", later: str | None = None) -> list[str]:
    """The text wrapped to the width, its first line after `first`, the others after `later`."""
    later = " " * columns(first) if later is None else later
    lines = wrapped(text, max(1, width() - max(columns(first), columns(later))))
    return [(first if i == 0 else later) + line for i, line in enumerate(lines)]


def one_row(line: str) -> str:
    """A line of a drawing, cut at the width."""
    while columns(line) > width():
        line = line[:-1]
    return line
