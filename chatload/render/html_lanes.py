"""Swim-lanes in report.html: the picture that shows queueing at a glance."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from chatload.analysis import pictures, series
from chatload.analysis.swim_lanes import Bar, Lanes, lanes, pieces
from chatload.render.axis import Axis
from chatload.render.blocks import Figure
from chatload.render.svg import Chart
from chatload.render.text_table import plural, seconds
from chatload.store.journal import Run

MOST_TOLD = 1500
"""Turns that say their numbers on hover; of more, each row is drawn as one."""

KEYS = (
    ("wait", "waiting for the first byte"),
    ("quiet", "first byte, but no token yet"),
    ("stream", "text streams"),
    ("stall", "stall"),
    ("think", "thinking"),
    ("fail", "failed"),
    ("late", "sent late (our fault)"),
)


def swim_lanes(run: Run, name: str = "", length_s: float = 0.0) -> Figure:
    """Each user a row, each turn a bar. `length_s` is the time axis, where several runs share one."""
    found = lanes(run)
    if not found.bars:
        return Figure(pictures.SWIM_LANES, "No turn in this run.")
    length = max(length_s, max(bar.end_s for bar in found.bars))
    chart = _chart(found, length)
    looks = {look for bar in found.bars for look, *_ in pieces(bar)}
    looks |= {"think"} if found.users and any(True for _ in found.thinking()) else set()
    keys = [(look, words) for look, words in KEYS if look in looks]
    who = "Each row is a user" if found.users else "Turns overlap, so each row is whoever is free"
    some = "" if found.rows == found.of else f" ({found.rows:,} of {found.of:,} rows, evenly picked)"
    told = " Point at a turn for its numbers." if len(found.bars) <= MOST_TOLD else ""
    note = f"{who}{some}, each bar a turn. A staircase of amber is a queue.{told}"
    return Figure(
        f"{pictures.SWIM_LANES} {name}".strip(),
        note,
        keys,
        [chart.html(f"swim-lanes of {len(found.bars)} turns")],
    )


def _chart(found: Lanes, length: float) -> Chart:
    height = min(640, max(90, round(found.rows * (7 if found.rows > 40 else 11))))
    words = f"{plural(found.rows, 'user')}, the first on top" if found.users else "turns in flight"
    chart = Chart(
        Axis("time since the first turn was due, s", 0.0, length),
        Axis(words, 0.0, found.rows, bare=True),
        height,
    )
    chart.box(
        ((start, end, *_height(found.rows, row, 0.16)) for row, start, end in found.thinking()), "think"
    )
    if len(found.bars) <= MOST_TOLD:
        for bar in found.bars:
            low, high = _height(found.rows, bar.row, 0.8)
            shapes = [(chart.rectangle((start, end, low, high)), look) for look, start, end in pieces(bar)]
            chart.group(shapes, told(bar))
        return chart
    spans = sorted((look, bar.row, start, end) for bar in found.bars for look, start, end in pieces(bar))
    order = [look for look, _ in KEYS]
    for look, same in groupby(sorted(spans, key=lambda span: order.index(span[0])), key=lambda span: span[0]):
        rows = _merged(((row, start, end) for _, row, start, end in same), length / 1500)
        chart.box(((start, end, *_height(found.rows, row, 0.8)) for row, start, end in rows), look)
    return chart


def _merged(spans: Iterable[tuple[int, float, float]], apart_s: float) -> list[tuple[int, float, float]]:
    """Spans of a row that lie less than a dot apart, as one."""
    merged: list[tuple[int, float, float]] = []
    for row, start, end in spans:
        if merged and merged[-1][0] == row and start - merged[-1][2] < apart_s:
            merged[-1] = (row, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((row, start, end))
    return merged


def told(bar: Bar) -> str:
    """One turn in a sentence."""
    turn = bar.turn
    words = f"user {turn.user} turn {turn.turn}, at {bar.sent_s:.1f} s: "
    if turn.first_token_ns is None:
        return f"{words}{turn.code or 'failed'} after {seconds(1000 * (bar.end_s - bar.sent_s))}"
    words += f"first token after {seconds(1000 * (bar.text_s - bar.sent_s))}, "
    words += f"then {plural(turn.tokens or 0, 'token')} in {seconds(1000 * (bar.end_s - bar.text_s))}"
    if bar.stalls_s:
        longest = max(end - start for start, end in bar.stalls_s)
        words += f", {plural(len(bar.stalls_s), 'stall')} up to {seconds(1000 * longest)}"
    return words if turn.ok else f"{words}, then {turn.code or 'failed'}"


def _height(rows: int, row: int, share: float) -> tuple[float, float]:
    """(from, to) on the y axis of a row, the first user on top."""
    middle = rows - row - 0.5
    return middle - share / 2, middle + share / 2


def shared_length_s(runs: Iterable[Run]) -> float:
    """The time axis that all the runs fit on."""
    return max((series.length_s(run) for run in runs), default=0.0)
