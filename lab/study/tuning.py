"""docs/tuning.md and its pictures: every knob at a few values, over HTTP, measured with this suite.

python -m lab.study.tuning [--only KEY,…] [--out DIR] [--from DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chatload.analysis.summary import summarise
from chatload.render.text_table import number, seconds, share, statistic
from chatload.store.journal import Run, read_run
from lab.simulated_server import ROOT, read_truth, simulated
from lab.study.load import run_load
from lab.study.pictures import draw_knob
from lab.study.tables import page_table
from lab.study.tuning_cases import KNOBS, Knob

AT_ONCE = 2
"""Knobs measured side by side: the machine needs a core for each."""
HEAD = ("", "TTFT p50", "TTFT max", "felt tokens/s, mean", "lowest", "gap p99", "longest gap", "replies with a stall",
        "tokens/s", "failed")  # fmt: skip
INTRODUCTION = """# What the servers' knobs do, seen by their users

Made by `make tuning` (`python -m lab.study.tuning`), which runs all of it against the simulator over HTTP and writes
this page; figures and pictures are of that run. The simulator schedules by the servers' own rules, with step costs
fitted to the article (RTX 4090, Llama-2-7B) or measured (H100): docs/simulator.md. Point the same `locust` command at
your own server to see where *its* knee is. The numbers carry over to other hardware only as far as the costs do; who
waits for whom does.

How to read the lines: grey, a user waits for the first token; blue, text arrives; orange, text that had begun stands
still. Felt speed is tokens / E2E, the wait included. All terms: docs/metrics.md.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One knob measured: its runs by value label, and how late the simulator was at worst."""

    knob: Knob
    runs: Mapping[str, Run]
    late_p99_ms: float


def main(argv: Sequence[str]) -> int:
    """Exit 0 when everything was measured; refusals are part of what is shown."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.tuning", description=__doc__)
    parser.add_argument(
        "--only", default="", help=f"some of {', '.join(knob.key for knob in KNOBS)}; no page"
    )
    parser.add_argument("--out", type=Path, help="folder for runs and logs (results/<time>-tuning)")
    parser.add_argument("--from", dest="made", type=Path, help="page and pictures anew from such a folder")
    chosen = parser.parse_args(argv)
    folder = chosen.made or chosen.out or ROOT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-tuning"
    folder = folder.resolve()
    knobs = [knob for knob in KNOBS if not chosen.only or knob.key in chosen.only.split(",")]
    if chosen.made is None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda knob: _measure(knob, folder), knobs))
    shown = [_read(knob, folder) for knob in knobs]
    pictures = ROOT / "docs" / "pictures" if not chosen.only else folder
    for each in shown:
        draw_knob(each.knob, list(each.runs.values()), pictures)
        _say(f"\n{each.knob.title} (simulator late p99 {each.late_p99_ms:.1f} ms)\n{_table(each)}")
    if not chosen.only:
        page = ROOT / "docs" / "tuning.md"
        page.write_text("\n".join([INTRODUCTION, *map(_section, shown), _checks(shown)]), encoding="utf-8")
        _say(f"written: {page}")
    return 0


def _measure(knob: Knob, folder: Path) -> None:
    for place, value in enumerate(knob.values):
        _say(f"{knob.key}: {value.label}")
        with simulated(
            knob.speak, (*knob.always, *value.arguments), folder / knob.key / str(place)
        ) as server:
            run_load(knob.load, server.host, server.folder / "run", value.label)


def _read(knob: Knob, folder: Path) -> Shown:
    places = [folder / knob.key / str(place) for place in range(len(knob.values))]
    late = [read_truth(place).lateness_ms.get("p99_ms", 0.0) for place in places]
    runs = {value.label: read_run(place / "run") for value, place in zip(knob.values, places, strict=True)}
    return Shown(knob, runs, max(late))


def _section(shown: Shown) -> str:
    knob = shown.knob
    servers = [
        " ".join(
            ["python -m simulator --speak", knob.speak, *knob.always, *value.arguments, "--port-base 8200"]
        )
        for value in knob.values
    ]
    load = knob.load.command("http://127.0.0.1:8200")
    commands = "\n".join([*servers, load])
    return (
        f"## {knob.title}\n\n{knob.words}\n\n![{knob.key}](pictures/tuning-{knob.key}.png)\n\n{_table(shown)}\n\n"
        f"```\n{commands}\n```\n"
    )


def _table(shown: Shown) -> str:
    return page_table(HEAD, [_row(label, run) for label, run in shown.runs.items()])


def _row(label: str, run: Run) -> tuple[str, ...]:
    found = summarise(run)
    ttft, felt = found.metric("ttft_ms"), found.metric("felt_tokens_per_s")
    return (
        label,
        seconds(ttft.p50),
        seconds(ttft.max),
        number(felt.mean),
        statistic(felt, "min"),
        seconds(found.metric("gap_ms").p99),
        seconds(found.metric("max_gap_ms").max),
        share(found.stalls.replies, found.succeeded),
        number(found.throughput.tokens_per_s),
        f"{found.failures:,} of {found.turns:,}",
    )


def _checks(shown: Sequence[Shown]) -> str:
    late = ", ".join(f"{each.knob.key} {each.late_p99_ms:.1f}" for each in shown)
    return (
        "## How far to trust this page\n\nThe simulator's own sends were late by at most (p99, ms): "
        f"{late}. Each value was run once.\n"
    )


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
