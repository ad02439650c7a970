"""Writes docs/article.md: tables, pictures, and why figures differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chatload.render.markdown import table
from chatload.store.this_host import this_machine
from lab.calibration.article import ARTICLE_DRAW, CHECKED_DRAWS
from lab.study.article_results import (
    FigureRow,
    Results,
    at_once_rows,
    batch_rows,
    chat_figures,
    checks,
    interval_rows,
)
from lab.study.article_runs import CHAT_ANSWER, CHAT_SEATS, CHATS
from lab.study.tables import CHAT_HEAD, FIGURE_HEAD, Row, chat_cells, figure_cells

PAGE = Path(__file__).with_name("article_page.md")
"""The text of the page; {names} are filled in."""


def write_page(results: Results, path: Path) -> Path:
    """Write the page; returns where."""
    chats = [chat_figures(results, name) for name in CHATS]
    chat, roomy = chats
    machine = this_machine()
    drawn = figure_cells(interval_rows(results))
    other = figure_cells([*batch_rows(results), *at_once_rows(results)])
    path.write_text(
        PAGE.read_text(encoding="utf-8").format(
            when=f"{datetime.now(UTC):%Y-%m-%d}",
            machine=f"{machine.cores} cores",
            intervals="\n".join(table(FIGURE_HEAD, drawn)),
            batches="\n".join(table(_without_draws(FIGURE_HEAD), [_without_draws(line) for line in other])),
            chat="\n".join(table(CHAT_HEAD, chat_cells(chats))),
            checks="\n".join(f"* {line}" for line in checks(results)),
            seed=ARTICLE_DRAW,
            draws=len(CHECKED_DRAWS),
            misses=_misses([*interval_rows(results), *batch_rows(results)]),
            seats=CHAT_SEATS,
            answer=CHAT_ANSWER.replace(":", " and "),
            ttft=chat.ttft_p50_ms / 1000,
            first_byte=chat.first_byte_max_ms,
            first_p50=chat.first_byte_p50_ms,
            low=chat.decode[0],
            high=chat.decode[2],
            packed=chat.tokens_per_event,
            roomy_ttft=roomy.ttft_max_ms / 1000,
            roomy_low=roomy.felt[0],
            roomy_high=roomy.felt[2],
        ),
        encoding="utf-8",
    )
    return path


def _without_draws(line: Row) -> Row:
    """Load, figure, article, over HTTP, difference, the fit has."""
    return [*line[:3], line[6], line[4], line[7]]


def _misses(rows: Sequence[FigureRow]) -> str:
    """Which fitted figures differ by more than the fit allows, and by how much."""
    found = [
        f"{row.load} {row.name} ({row.difference:+.1%})".replace("-", "−")
        for row in rows
        if not (row.unseen or row.compared.holds)
    ]
    verb = "differs" if len(found) == 1 else "differ"
    return (
        f"{', '.join(found)} {verb} by more than the fit allows"
        if found
        else "all are within what the fit allows"
    )
