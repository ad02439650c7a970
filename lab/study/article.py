"""`make article`: the article's study again, against a simulated vLLM 0.1.2 and TGI 0.9.3, its tables beside ours.

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

from lab.calibration.article import INTERVALS, serve
from lab.simulated_server import ROOT, simulated
from lab.study.article_page import write_page
from lab.study.article_results import (
    FIGURES,
    Results,
    at_once_lines,
    batch_lines,
    chat_figures,
    checks,
    interval_lines,
    read_lane,
)
from lab.study.article_runs import CHATS, QUICK, Size, Station, lanes
from lab.study.load import last_words, run_load
from lab.study.pictures import draw_article
from lab.study.tables import CHAT_HEAD, LINE_HEAD, chat_rows, line_rows, text_table

OTHER_DRAWS = range(24)
"""Seeds whose whole interval table is served in virtual time, to see how much hangs on the 100 prompts."""
TELL_EVERY_S = 20.0


def main(argv: Sequence[str]) -> int:
    """Exit 0 when every load ran and no turn failed, else 1; misses are printed, not judged."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.article", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests, to see that everything works")
    parser.add_argument("--out", type=Path, help="folder for runs, logs and traces (results/<time>-article)")
    parser.add_argument("--only", default="", help="some of vllm, tgi, chat, chat-256, into --out; no tables")
    parser.add_argument("--from", dest="made", type=Path, help="tables and page anew from such a folder")
    chosen = parser.parse_args(argv)
    size = QUICK if chosen.quick else Size()
    folder = chosen.made or chosen.out or ROOT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-article"
    folder = folder.resolve()
    if chosen.made is None:
        _run(_chosen(lanes(size, folder), chosen.only), folder)
    if chosen.only:
        return 0
    results = _results(size, folder)
    _print(results, quick=chosen.quick)
    if not chosen.quick:
        draw_article(results, ROOT / "docs" / "pictures")
        _say(f"written: {write_page(results, ROOT / 'docs' / 'article.md')}")
    return (
        0
        if all(turn.ok for lane in results.lanes.values() for run in lane.runs.values() for turn in run.turns)
        else 1
    )


def _chosen(planned: Sequence[Sequence[Station]], only: str) -> list[list[Station]]:
    """The lanes with those stations only that were named; all where none was."""
    named = only.split(",") if only else [station.name for lane in planned for station in lane]
    kept = [[station for station in lane if station.name in named] for lane in planned]
    return [lane for lane in kept if lane]


class Board:
    """Who does what now, told every so often to somebody who waits."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._now: dict[str, Path] = {}
        self._stop = threading.Event()

    def begins(self, station: Station, out: Path, load: str, expected_s: float) -> None:
        """A load begins."""
        self._now[station.name] = out
        self.say(f"{station.label}: {load}, about {expected_s:.0f} s")

    def rests(self, station: Station) -> None:
        """A server has done all its loads."""
        self._now.pop(station.name, None)

    def say(self, words: str) -> None:
        """A line with the time since the beginning."""
        _say(f"[{time.monotonic() - self._started_s:4.0f} s] {words}")

    def tell(self) -> None:
        """Until `close`: every so often the last words of each load."""
        while not self._stop.wait(TELL_EVERY_S):
            for name, out in list(self._now.items()):
                self.say(f"    {name} {out.name}: {last_words(out)}")

    def close(self) -> None:
        """No more telling."""
        self._stop.set()


def _run(planned: Sequence[Sequence[Station]], folder: Path) -> None:
    board = Board()
    expected_s = max(sum(load.expected_s for station in lane for load in station.loads) for lane in planned)
    board.say(
        f"{len(planned)} lanes side by side, about {expected_s / 60:.0f} min (--quick: seconds); runs in {folder}"
    )
    teller = threading.Thread(target=board.tell, daemon=True)
    teller.start()
    try:
        with ThreadPoolExecutor(len(planned)) as pool:
            for lane in [pool.submit(_lane, stations, folder, board) for stations in planned]:
                lane.result()
    finally:
        board.close()


def _lane(stations: Sequence[Station], folder: Path, board: Board) -> None:
    for station in stations:
        with simulated(station.speak, station.knobs, folder / station.name) as server:
            for load in station.loads:
                out = server.folder / load.name.replace(" ", "-")
                board.begins(station, out, load.name, load.expected_s)
                run_load(load, server.host, out, station.label)
        board.rests(station)


def _results(size: Size, folder: Path) -> Results:
    draws = {} if size is QUICK else _other_draws()
    return Results({name: read_lane(folder / name) for name in ("vllm", "tgi", *CHATS)}, size, draws)


def _other_draws() -> dict[tuple[str, float], Mapping[str, tuple[float, float]]]:
    """Least and most of each interval figure over other draws of 100 prompts, in virtual time."""
    found: dict[tuple[str, float], Mapping[str, tuple[float, float]]] = {}
    for server, rows in INTERVALS.items():
        for interval_s in rows:
            drawn = [serve(server, interval_s, seed) for seed in OTHER_DRAWS]
            columns = zip(
                *((one.requests_per_s, one.average_speed, one.lowest_speed) for one in drawn), strict=True
            )
            found[server, interval_s] = {
                name: (min(values), max(values)) for name, values in zip(FIGURES, columns, strict=True)
            }
    return found


def _print(results: Results, *, quick: bool) -> None:
    lines = [*interval_lines(results), *batch_lines(results), *at_once_lines(results)]
    if quick:
        _say("quick: few and short requests, so the differences below say nothing")
    for title, table in (
        ("Serving benchmark, batch sizes, throughput", text_table(LINE_HEAD, line_rows(lines))),
        ("JMeter chat", text_table(CHAT_HEAD, chat_rows([chat_figures(results, name) for name in CHATS]))),
        ("Checks", "\n".join(checks(results))),
    ):
        _say(f"\n{title}\n{table}")


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
