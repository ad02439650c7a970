"""Draws the pictures of docs/article.md and docs/tuning.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatload.store.journal import Run
from lab.calibration.article import BATCHES, INTERVALS
from lab.study.article_results import FOLDERS, Results
from lab.study.article_runs import CHATS, TITLES
from lab.study.tuning_cases import TuningCase
from plots import intervals, throughput_levels
from plots.picture import write_picture
from plots.registry import PICTURES


def draw_article(results: Results, folder: Path) -> None:
    """The interval table, the batch table, and the chat's TTFT."""
    rows = [
        results.run(name, f"every {interval_s:g} s")
        for server, name in FOLDERS.items()
        for interval_s in INTERVALS[server]
        if interval_s in results.size.intervals
    ]
    published = [
        intervals.Reference(
            results.run(name, "every 1 s").name, INTERVALS[server], f"{TITLES[server]}, the article"
        )
        for server, name in FOLDERS.items()
    ]
    write_picture(PICTURES["intervals"].having(references=published), rows, folder / "article-intervals.png")
    batches = [throughput_levels.Reference("the article", BATCHES)]
    levels = PICTURES["throughput_levels"].having(references=batches)
    write_picture(levels, [results.run("vllm", "batch")], folder / "article-batches.png")
    quarter = [results.run(name, "every 0.25 s") for name in FOLDERS.values()]
    write_picture(PICTURES["timeline"], quarter, folder / "article-timeline.png")
    chats = [results.run(name, "chat") for name in CHATS]
    write_picture(PICTURES["first_byte"], chats, folder / "article-chat.png")


def draw_case(case: TuningCase, runs: Sequence[Run], folder: Path) -> None:
    """The picture of a tuning case."""
    write_picture(PICTURES[case.picture], runs, folder / f"tuning-{case.key}.png")
