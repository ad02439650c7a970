"""The cells of the article's tables beside ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.study.article_results import CHAT_SPEED, FIRST_BYTE_MAX_MS, Chat, FigureRow
from lab.study.article_runs import CHATS

Row = Sequence[str]
FIGURE_HEAD = (
    "load",
    "figure",
    "article",
    "median",
    "difference",
    "least … most",
    "over HTTP",
    "the fit has",
)
CHAT_HEAD = ("100 users, 10 turns, 2 s", "article", *(f"ours, {seats} seats" for seats in CHATS.values()))


def figure_cells(rows: Sequence[FigureRow]) -> list[Row]:
    """article | median of the draws | its difference | their range | one draw over HTTP | fitted or unseen."""
    return [
        (
            row.load,
            row.name,
            _number(row.published),
            "" if row.draws is None else _number(row.draws.median),
            f"{row.difference:+.1%}".replace("-", "−"),
            "" if row.draws is None else f"{_number(row.draws.least)} … {_number(row.draws.most)}",
            _number(row.ours),
            "unseen" if row.unseen else "fitted",
        )
        for row in rows
    ]


def chat_cells(chats: Sequence[Chat]) -> list[Row]:
    """The JMeter table: its "latency" is the first byte; TTFT stands beside it, under its own name."""
    low, high = CHAT_SPEED
    figures: tuple[tuple[str, str, Callable[[Chat], str]], ...] = (
        ("first byte, max", f"{FIRST_BYTE_MAX_MS:g} ms", lambda chat: f"{chat.first_byte_max_ms:,.0f} ms"),
        ("first byte, p50", "-", lambda chat: f"{chat.first_byte_p50_ms:,.0f} ms"),
        ("TTFT, p50", "-", lambda chat: f"{chat.ttft_p50_ms:,.0f} ms"),
        ("TTFT, max", "-", lambda chat: f"{chat.ttft_max_ms:,.0f} ms"),
        ("decode tokens/s (p5 … p95)", f"{low:g} … {high:g}", lambda chat: _range(chat.decode)),
        ("felt tokens/s (p5 … p95)", "-", lambda chat: _range(chat.felt)),
        ("events/s (p5 … p95)", "-", lambda chat: _range(chat.events_per_s)),
        ("tokens per event, mean", "-", lambda chat: f"{chat.tokens_per_event:.2f}"),
        ("good turns", "-", lambda chat: f"{chat.good:,} of {chat.turns:,} in {chat.seconds:,.0f} s"),
    )
    return [(name, published, *(of(chat) for chat in chats)) for name, published, of in figures]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def _range(band: tuple[float, float, float]) -> str:
    return f"{band[0]:.1f} … {band[2]:.1f}"
