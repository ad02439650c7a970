"""`python -m lab.benchmarks.live_page --repeat 5`: what an open live page costs a run, in CPU time and timing errors.

The same chat against a fixed-rate server, in turn: headless, the same with the live display and a metrics page that is
scraped, with the web UI and no page open, with a client that sends the page's requests, the same with the metrics page
scraped, and with the page open in a real Chromium (on the server's core). CPU time is the load
generator's while all users are in; TTFT errors are of all requests, joined with the server's log.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from chatload.certify.client_errors import ClientAnswer, ServerAnswer, server_answers, spread
from chatload.certify.process_placement import Placement
from lab.benchmarks.clients import ours, recorded_by_chatload
from lab.benchmarks.harness import Cost, Load, compiled_server, fixed_rate_server, measured
from lab.benchmarks.page_viewer import (
    CHROMIUM,
    CLIENT,
    DISPLAY,
    HEADLESS,
    NO_PAGE,
    VIEWERS,
    WATCHED,
    chromium,
    scraping,
    viewing,
)
from lab.benchmarks.results import Columns, cell, joined, medians, steady_window

LIMIT_PERCENT = 2.0
"""Most that an open page may cost at 100 users, in % of a core."""
LINGER_S = 3
WITHOUT_PAGE = (HEADLESS, DISPLAY)
BASES = {DISPLAY: HEADLESS}
"""What a viewer's cost is held against, where it is not the web UI without a page."""


@dataclass(frozen=True, slots=True)
class PageRun:
    """One run. `requests`: how often the page's numbers were asked for, the last time by this benchmark."""

    turns_per_s: float
    requests: int
    cpu_percent: float
    ttft_ms_p50: float | None
    ttft_ms_p99: float | None
    ttft_max_ms: float | None
    marked: int

    def sentence(self) -> str:
        """One line for the log."""
        p50, p99, most = self.ttft_ms_p50 or 0, self.ttft_ms_p99 or 0, self.ttft_max_ms or 0
        return (
            f"{self.turns_per_s:.1f} turns/s, asked {self.requests} times, {self.cpu_percent:.1f} % of a core, "
            f"TTFT error p50 {p50:.3f} p99 {p99:.3f} max {most:.2f} ms, {self.marked} marked"
        )


def main(arguments: list[str]) -> int:
    """Measure and print; 1 when an open page costs more than it may."""
    given = _parser().parse_args(arguments)
    compiled = None if given.python_server else compiled_server()
    load = Load(users=given.users, users_per_s=given.users / 4, turns=given.turns, think_s=given.think)
    viewers = [viewer for viewer in given.viewers.split(",") if viewer != CHROMIUM or chromium()]
    if unknown := [viewer for viewer in viewers if viewer not in VIEWERS]:
        raise SystemExit(f"--viewers {','.join(unknown)}: must be of {', '.join(VIEWERS)}")
    rows: dict[str, list[PageRun]] = {viewer: [] for viewer in viewers}
    placement = Placement()
    for _ in range(given.repeat):
        for viewer in viewers:
            row = measure(viewer, load, compiled, placement)
            rows[viewer].append(row)
            print(f"  {VIEWERS[viewer]}: {row.sentence()}", file=sys.stderr, flush=True)
            if given.json:
                with open(given.json, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"viewer": viewer, "users": load.users, **asdict(row)}) + "\n")
    print(
        f"\n**{load.users:,} users, {load.turns} turns of {load.tokens} tokens, {load.think_s:g} s between**\n"
    )
    print(table(rows))
    if placement.words:
        print(placement.words, file=sys.stderr)
    costs = [
        median(extra_percent(rows, viewer))
        for viewer in (DISPLAY, CLIENT, CHROMIUM, WATCHED)
        if viewer in rows and BASES.get(viewer, NO_PAGE) in rows
    ]
    return int(any(cost > LIMIT_PERCENT for cost in costs))


def measure(viewer: str, load: Load, compiled: Path | None, placement: Placement) -> PageRun:
    """One run with one viewer."""
    with tempfile.TemporaryDirectory(prefix="chatload-page-") as name:
        port = _free_port()
        folder, address = Path(name), f"http://127.0.0.1:{port}"
        truth = folder / "truth.jsonl"
        with fixed_rate_server(load, truth, compiled, placement) as host:
            command = ours()(load, host, folder)
            metrics = ""
            if viewer == HEADLESS:
                command += ["--progress", "off"]
            elif viewer == DISPLAY:
                command += ["--metrics-port", str(port)]
                metrics = f"{address}/metrics"
            else:
                command.remove("--headless")
                command += ["--autostart", "--autoquit", str(LINGER_S), "--web-port", str(port)]
                metrics = f"{address}/chatload/metrics" if viewer == WATCHED else ""
            asked: list[int] = []
            count = threading.Thread(
                target=_count, args=(folder / "run", address, asked, load.limit_s), daemon=True
            )
            if viewer not in WITHOUT_PAGE:
                count.start()
            with viewing(viewer, address, folder, placement), scraping(metrics) as scraped:
                terminal = viewer == DISPLAY
                cost = measured(command, {}, folder / "log", load.limit_s, placement, terminal=terminal)
        if viewer not in WITHOUT_PAGE:
            count.join()
        if metrics and not scraped:
            raise SystemExit(f"{metrics}: nobody could read it")
        requests = asked[0] if asked else len(scraped)
        return page_run(recorded_by_chatload(folder), server_answers(truth), cost, load.users, requests)


def page_run(
    recorded: Mapping[str, ClientAnswer],
    truth: Mapping[str, ServerAnswer],
    cost: Cost,
    users: int,
    requests: int,
) -> PageRun:
    """The figures of a run. SystemExit when fewer than 90 % of the answers can be joined, or it was too short."""
    found, window = joined(recorded, truth), steady_window(truth, users)
    if window is None:
        raise SystemExit(
            f"{len(truth)} answers of {users} users: too few to have all of them in at once: --turns 3 or more"
        )
    seconds = (window[1] - window[0]) / 1e9
    ttft = spread([abs(each.ttft_ms) for each in found])
    ended = sum(window[0] <= answer.tokens_sent_ns[-1] <= window[1] for answer in truth.values())
    return PageRun(
        turns_per_s=ended / seconds,
        requests=requests,
        cpu_percent=100 * cost.cpu_s(*window) / seconds,
        ttft_ms_p50=ttft.p50,
        ttft_ms_p99=ttft.p99,
        ttft_max_ms=ttft.max,
        marked=sum(bool(each.marks) for each in found),
    )


def extra_percent(rows: Mapping[str, Sequence[PageRun]], viewer: str) -> list[float]:
    """% of a core more than with no page open, or what BASES says, round by round; [] without such runs."""
    pairs = zip(rows[viewer], rows.get(BASES.get(viewer, NO_PAGE), ()), strict=False)
    return [one.cpu_percent - other.cpu_percent for one, other in pairs]


COLUMNS: Columns[PageRun] = (
    ("requests", lambda row: row.requests, ".0f"),
    ("CPU, % of a core", lambda row: row.cpu_percent, ".1f"),
    ("TTFT error p50 ms", lambda row: row.ttft_ms_p50, ".3f"),
    ("p99", lambda row: row.ttft_ms_p99, ".3f"),
    ("max", lambda row: row.ttft_max_ms, ".2f"),
    ("marked turns", lambda row: row.marked, ".0f"),
)


def table(rows: Mapping[str, Sequence[PageRun]]) -> str:
    """All columns, and the extra CPU against no page open."""
    keys = {VIEWERS[viewer]: viewer for viewer in rows}

    def extra(name: str) -> str:
        viewer = keys[name]
        return "–" if viewer == NO_PAGE else cell(list(extra_percent(rows, viewer)), "+.1f")

    named = {VIEWERS[viewer]: found for viewer, found in rows.items()}
    return medians(named, COLUMNS, ("viewer", "extra CPU against no page (display: headless), points"), extra)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _count(run: Path, address: str, asked: list[int], limit_s: float) -> None:
    """When the run has ended, ask once for the page's revision: each earlier request has increased it by one."""
    give_up = time.monotonic() + limit_s
    while time.monotonic() < give_up:
        time.sleep(0.5)
        try:
            if "ended_ns" in json.loads((run / "manifest.json").read_bytes()):
                with urllib.request.urlopen(address + "/chatload/live.json", timeout=10) as answer:
                    asked.append(json.loads(answer.read())["revision"])
                return
        except (OSError, json.JSONDecodeError):
            continue


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.live_page", description=__doc__)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--think", type=float, default=0.5, help="s between turns")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--viewers", default=",".join(VIEWERS), help=f"by comma, of: {', '.join(VIEWERS)}")
    parser.add_argument("--json", default="", help="append each run to this file")
    parser.add_argument("--python-server", action="store_true", help="the simulator, not the server in C")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
