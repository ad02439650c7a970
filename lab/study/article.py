"""`make article`: repeats the article's benchmarks against a simulated vLLM 0.1.2 and TGI 0.9.3; tables of both.

python -m lab.study.article [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from chatload.render.text_table import table
from lab.calibration.article import CHECKED_DRAWS, FIGURES, INTERVALS, serve, three_figures
from lab.simulated_server import ROOT, simulated
from lab.study.article_page import write_page
from lab.study.article_results import (
    Draws,
    Results,
    at_once_rows,
    batch_rows,
    chat_figures,
    checks,
    interval_rows,
    read_server,
)
from lab.study.article_runs import CHATS, QUICK, ServerPlan, Size, parallel_groups
from lab.study.load import last_line, run_load
from lab.study.pictures import draw_article
from lab.study.tables import CHAT_HEAD, FIGURE_HEAD, chat_cells, figure_cells

PRINT_EVERY_S = 20.0


def main(argv: Sequence[str]) -> int:
    """Exit 0 when every load ran and no turn failed, else 1; differences from the article do not count."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.article", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests, to test that everything works")
    parser.add_argument("--out", type=Path, help="folder for runs, logs and traces (results/<time>-article)")
    parser.add_argument("--only", default="", help="some of vllm, tgi, chat, chat-256, into --out; no tables")
    parser.add_argument(
        "--from", dest="made", type=Path, help="only make tables and page, from such a folder"
    )
    chosen = parser.parse_args(argv)
    size = QUICK if chosen.quick else Size()
    folder = chosen.made or chosen.out or ROOT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-article"
    folder = folder.resolve()
    if chosen.made is None:
        _run(_chosen(parallel_groups(size, folder), chosen.only), folder)
    if chosen.only:
        return 0
    results = _results(size, folder)
    _print(results, quick=chosen.quick)
    if not chosen.quick:
        draw_article(results, ROOT / "docs" / "pictures")
        _print_line(f"written: {write_page(results, ROOT / 'docs' / 'article.md')}")
    return (
        0
        if all(
            turn.ok
            for server in results.servers.values()
            for run in server.runs.values()
            for turn in run.turns
        )
        else 1
    )


def _chosen(planned: Sequence[Sequence[ServerPlan]], only: str) -> list[list[ServerPlan]]:
    """The groups with only the servers named; all servers where none is."""
    named = only.split(",") if only else [plan.name for group in planned for plan in group]
    kept = [[plan for plan in group if plan.name in named] for group in planned]
    return [group for group in kept if group]


class Progress:
    """Prints what runs now, every PRINT_EVERY_S."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._now: dict[str, Path] = {}
        self._stop = threading.Event()

    def begin(self, plan: ServerPlan, out: Path, load: str, expected_s: float) -> None:
        """A load begins."""
        self._now[plan.name] = out
        self.log(f"{plan.label}: {load}, about {expected_s:.0f} s")

    def ended(self, plan: ServerPlan) -> None:
        """A server's loads have ended."""
        self._now.pop(plan.name, None)

    def log(self, text: str) -> None:
        """Print a line with the time since the start."""
        _print_line(f"[{time.monotonic() - self._started_s:4.0f} s] {text}")

    def print_until_closed(self) -> None:
        """Until `close`: print the last line of each load's output."""
        while not self._stop.wait(PRINT_EVERY_S):
            for name, out in list(self._now.items()):
                self.log(f"    {name} {out.name}: {last_line(out)}")

    def close(self) -> None:
        """Stop printing."""
        self._stop.set()


def _run(planned: Sequence[Sequence[ServerPlan]], folder: Path) -> None:
    progress = Progress()
    expected_s = max(sum(load.expected_s for plan in group for load in plan.loads) for group in planned)
    progress.log(
        f"{len(planned)} groups at the same time, about {expected_s / 60:.0f} min (--quick: seconds); runs in {folder}"
    )
    printer = threading.Thread(target=progress.print_until_closed, daemon=True)
    printer.start()
    try:
        with ThreadPoolExecutor(len(planned)) as pool:
            for group in [pool.submit(_run_group, plans, folder, progress) for plans in planned]:
                group.result()
    finally:
        progress.close()


def _run_group(plans: Sequence[ServerPlan], folder: Path, progress: Progress) -> None:
    for plan in plans:
        with simulated(plan.speak, plan.arguments, folder / plan.name) as server:
            for load in plan.loads:
                out = server.folder / load.name.replace(" ", "-")
                progress.begin(plan, out, load.name, load.expected_s)
                run_load(load, server.host, out, plan.label)
        progress.ended(plan)


def _results(size: Size, folder: Path) -> Results:
    draws = {} if size is QUICK else _draws()
    return Results({name: read_server(folder / name) for name in ("vllm", "tgi", *CHATS)}, size, draws)


def _draws() -> dict[tuple[str, float], Mapping[str, Draws]]:
    """Each interval figure over many draws of 100 prompts, in virtual time."""
    found: dict[tuple[str, float], Mapping[str, Draws]] = {}
    for server, rows in INTERVALS.items():
        for interval_s in rows:
            runs = [three_figures(serve(server, interval_s, seed)) for seed in CHECKED_DRAWS]
            found[server, interval_s] = {
                name: Draws(median(values), min(values), max(values))
                for name, values in zip(FIGURES, zip(*runs, strict=True), strict=True)
            }
    return found


def _print(results: Results, *, quick: bool) -> None:
    rows = [*interval_rows(results), *batch_rows(results), *at_once_rows(results)]
    if quick:
        _print_line("quick: few and short requests, so the differences below mean nothing")
    for title, lines in (
        ("Serving benchmark, batch sizes, throughput", table([FIGURE_HEAD, *figure_cells(rows)], left=2)),
        ("JMeter chat", table([CHAT_HEAD, *chat_cells([chat_figures(results, name) for name in CHATS])])),
        ("Checks", checks(results)),
    ):
        _print_line("\n".join(["", title, *lines]))


def _print_line(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
