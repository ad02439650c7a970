"""The live display of a headless run in a terminal: a bar, figures of the last 10 s and of all, failures, doubts."""

from __future__ import annotations

from chatload.render.text_table import table
from chatload.runner.progress import Progress

BAR = 30
"""Columns of the bar."""


def display_lines(progress: Progress, level: str = "") -> list[str]:
    """The lines of the display; the first one holds the bar."""
    left = progress.left_s
    eta = f"  ETA {clock_words(left)}" if left is not None else ""
    bar = f"{bar_of(progress.done)}  " if progress.done is not None else ""
    lines = [f"{bar}{clock_words(progress.elapsed_s)}{eta}"]
    lines.append(f"turns {progress.of_planned}  {progress.users_words}open turns {progress.open_turns:,}")
    if level:
        lines += map(str.strip, level.split(";"))
    else:
        rows = [["", "last 10 s", "all"]]
        rows += [
            [f"TTFT {name}", progress.ttft(name, recent=True), progress.ttft(name, recent=False)]
            for name in ("p50", "p95")
        ]
        rows.append(["arriving", progress.speed_words(recent=True), progress.speed_words(recent=False)])
        lines += table(rows)
    if progress.failed:
        lines.append(f"failed {progress.failed.total():,}: {progress.failed_words(5)}")
    lines += [f"! {words}" for words in progress.doubts()]
    return lines


def bar_of(share: float) -> str:
    """`━━━━━━━─────── 50 %`."""
    full = round(share * BAR)
    return f"{'━' * full}{'─' * (BAR - full)} {100 * share:3.0f} %"


def clock_words(seconds: float) -> str:
    """1:05, 1:02:05."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"
