"""Draws the pictures of docs/article.md and docs/tuning.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from chatload.store.journal import Run
from lab.calibration.article import BATCHES, INTERVALS
from lab.study.article_results import FOLDERS, Results
from lab.study.article_runs import CHATS, TITLES
from lab.study.tuning_cases import TuningCase
from plots import first_byte, gaps, intervals, throughput_levels, timeline, ttft_cdf
from plots.picture import write_picture

DRAWS: dict[str, Callable[..., None]] = {
    "timeline": timeline.draw,
    "ttft_cdf": ttft_cdf.draw,
    "gaps": gaps.draw,
    "throughput_levels": throughput_levels.draw,
}


def draw_article(results: Results, folder: Path) -> None:
    """The interval table, the batch table, and the chat's TTFT."""
    rows = [
        results.run(name, f"every {interval_s:g} s")
        for server, name in FOLDERS.items()
        for interval_s in INTERVALS[server]
        if interval_s in results.size.intervals
    ]
    published = [intervals.Reference(TITLES[server], table) for server, table in INTERVALS.items()]
    write_picture(partial(intervals.draw, references=published), rows, folder / "article-intervals.png")
    batches = [throughput_levels.Reference("the article", BATCHES)]
    write_picture(
        partial(throughput_levels.draw, references=batches),
        [results.run("vllm", "batch")],
        folder / "article-batches.png",
    )
    quarter = [results.run(name, "every 0.25 s") for name in FOLDERS.values()]
    write_picture(timeline.draw, quarter, folder / "article-timeline.png")
    write_picture(first_byte.draw, [results.run(name, "chat") for name in CHATS], folder / "article-chat.png")


def draw_case(case: TuningCase, runs: Sequence[Run], folder: Path) -> None:
    """The picture of a tuning case."""
    write_picture(DRAWS[case.picture], runs, folder / f"tuning-{case.key}.png")
