"""`python -m lab.benchmarks.page --repeat 5`: what the live page costs the run, in processor time and in truth.

The same chat against the metronome, interleaved: headless, with the web UI and nobody looking, with a client that
asks as the open page does, and with the page open in a real Chromium (on the server's core). Processor time is the
load generator's, while every user is in; TTFT errors are of all requests, joined with the metronome's log.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from chatload.certify.placement import Placement
from chatload.certify.truth import Heard, Served, served, spread
from lab.benchmarks.clients import ours, said_by_us
from lab.benchmarks.figures import cell, joined, markdown, steady_window
from lab.benchmarks.looker import CHROMIUM, CLIENT, HEADLESS, LOOKERS, NOBODY, chromium, looking
from lab.benchmarks.rig import Cost, Load, fast_metronome, measured, metronome

MOST_PERCENT = 2.0
"""What an open page may cost, in % of a core, at 100 users."""
LINGER_S = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """One run. `asked` is how often the page's numbers were asked for, the last time by us."""

    turns_per_s: float
    asked: int
    cpu_percent: float
    ttft_ms_p50: float | None
    ttft_ms_p99: float | None
    ttft_max_ms: float | None
    marked: int

    def sentence(self) -> str:
        """For the log."""
        p50, p99, most = self.ttft_ms_p50 or 0, self.ttft_ms_p99 or 0, self.ttft_max_ms or 0
        return (
            f"{self.turns_per_s:.1f} turns/s, asked {self.asked} times, {self.cpu_percent:.1f} % of a core, "
            f"TTFT error p50 {p50:.3f} p99 {p99:.3f} max {most:.2f} ms, {self.marked} marked"
        )


def main(arguments: list[str]) -> int:
    """Measure and print; 1 when an open page costs more than it may."""
    given = _parser().parse_args(arguments)
    fast = None if given.python_server else fast_metronome()
    load = Load(users=given.users, users_per_s=given.users / 4, turns=given.turns, think_s=given.think)
    lookers = [looker for looker in given.lookers.split(",") if looker != CHROMIUM or chromium()]
    if unknown := [looker for looker in lookers if looker not in LOOKERS]:
        raise SystemExit(f"--lookers {','.join(unknown)}: must be of {', '.join(LOOKERS)}")
    rows: dict[str, list[Seen]] = {looker: [] for looker in lookers}
    placement = Placement()
    for _ in range(given.repeat):
        for looker in lookers:
            row = measure(looker, load, fast, placement)
            rows[looker].append(row)
            print(f"  {LOOKERS[looker]}: {row.sentence()}", file=sys.stderr, flush=True)
            if given.json:
                with open(given.json, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"looker": looker, "users": load.users, **asdict(row)}) + "\n")
    print(
        f"\n**{load.users:,} users, {load.turns} turns of {load.tokens} tokens, {load.think_s:g} s between**\n"
    )
    print(table(rows))
    if placement.words:
        print(placement.words, file=sys.stderr)
    costs = [
        median(dearer(rows, looker)) for looker in (CLIENT, CHROMIUM) if looker in rows and NOBODY in rows
    ]
    return int(any(cost > MOST_PERCENT for cost in costs))


def measure(looker: str, load: Load, fast: Path | None, placement: Placement) -> Seen:
    """One run with one looker."""
    with tempfile.TemporaryDirectory(prefix="chatload-page-") as name:
        port = _free_port()
        folder, address = Path(name), f"http://127.0.0.1:{port}"
        truth = folder / "truth.jsonl"
        with metronome(load, truth, fast, placement) as host:
            command = ours()(load, host, folder)
            if looker != HEADLESS:
                command.remove("--headless")
                command += ["--autostart", "--autoquit", str(LINGER_S), "--web-port", str(port)]
            asked: list[int] = []
            count = threading.Thread(
                target=_count, args=(folder / "run", address, asked, load.limit_s), daemon=True
            )
            if looker != HEADLESS:
                count.start()
            with looking(looker, address, folder, placement):
                cost = measured(command, {}, folder / "log", load.limit_s, placement)
        if looker != HEADLESS:
            count.join()
        return seen(said_by_us(folder), served(truth), cost, load.users, asked[0] if asked else 0)


def seen(said: Mapping[str, Heard], truth: Mapping[str, Served], cost: Cost, users: int, asked: int) -> Seen:
    """Join and sum. SystemExit when hardly any answer is known to both, or the run was too short."""
    found, window = joined(said, truth), steady_window(truth, users)
    if window is None:
        raise SystemExit(
            f"{len(truth)} answers of {users} users: too few to see them all at once: --turns 3 or more"
        )
    seconds = (window[1] - window[0]) / 1e9
    ttft = spread([abs(each.ttft_ms) for each in found])
    ended = sum(window[0] <= answer.tokens_sent_ns[-1] <= window[1] for answer in truth.values())
    return Seen(
        turns_per_s=ended / seconds,
        asked=asked,
        cpu_percent=100 * cost.cpu_s(*window) / seconds,
        ttft_ms_p50=ttft["p50"],
        ttft_ms_p99=ttft["p99"],
        ttft_max_ms=ttft["max"],
        marked=sum(bool(each.marks) for each in found),
    )


def dearer(rows: Mapping[str, Sequence[Seen]], looker: str) -> list[float]:
    """% of a core more than with nobody looking, round by round; none without such runs."""
    pairs = zip(rows[looker], rows.get(NOBODY, ()), strict=False)
    return [one.cpu_percent - other.cpu_percent for one, other in pairs]


COLUMNS: tuple[tuple[str, Callable[[Seen], float | None], str], ...] = (
    ("asked", lambda row: row.asked, ".0f"),
    ("CPU, % of a core", lambda row: row.cpu_percent, ".1f"),
    ("TTFT error p50 ms", lambda row: row.ttft_ms_p50, ".3f"),
    ("p99", lambda row: row.ttft_ms_p99, ".3f"),
    ("max", lambda row: row.ttft_max_ms, ".2f"),
    ("marked turns", lambda row: row.marked, ".0f"),
)


def table(rows: Mapping[str, Sequence[Seen]]) -> str:
    """Markdown: medians with (min–max), and what each costs more than nobody."""
    heads = ["who looks (n)", *(title for title, _, _ in COLUMNS), "CPU more than nobody, points"]
    lines = []
    for looker, found in rows.items():
        cells = [f"{LOOKERS[looker]} ({len(found)})"]
        cells += [cell([of(row) for row in found], form) for _, of, form in COLUMNS]
        cells.append("–" if looker == NOBODY else cell(list(dearer(rows, looker)), "+.1f"))
        lines.append(cells)
    return markdown(heads, lines)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _count(run: Path, address: str, asked: list[int], limit_s: float) -> None:
    """When the run has ended, ask once: each asking before it has made the page's revision one greater."""
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
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.page", description=__doc__)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--think", type=float, default=0.5, help="s between turns")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--lookers", default=",".join(LOOKERS), help=f"by comma, of: {', '.join(LOOKERS)}")
    parser.add_argument("--json", default="", help="append each run to this file")
    parser.add_argument(
        "--python-server", action="store_true", help="the simulator's metronome, not the C one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
