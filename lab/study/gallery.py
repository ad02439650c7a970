"""Writes docs/plots.md and its pictures: every kind of picture once, of runs against the simulator.

python -m lab.study.gallery [--out DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from chatload.store.journal import read_run
from lab.simulated_server import ROOT, simulated
from lab.study.load import Load, run_load
from plots import (
    capacity_curve,
    comparison,
    first_byte,
    gaps,
    over_time,
    server_metrics,
    stall_map,
    swim_lanes,
    tokens_per_s,
    ttft_by_turn,
    ttft_cdf,
)
from plots.__main__ import ARTICLE_MS
from plots.picture import write_picture
from plots.registry import Draw

CHAT = Load("chat", "chat-100", ("--turns", "5"))
TROUBLE = Load(
    "trouble", "chat-100", ("--users", "24", "--turns", "4", "--max-tokens", "160", "--allow-failed", "1")
)
TALK = Load("talk", "chat-100-history", ("--users", "24", "--turns", "10", "--max-tokens", "128"))
CAPACITY = Load(
    "capacity", "capacity",
    ("--slo", "p90 ttft_ms <= 500; p50 felt_tokens_per_s >= 20", "--settle", "2", "--measure", "8", "--turns", "5",
     "--think-time", "0.5", "--windows", "3", "--first", "12", "--rate", "20"),
)  # fmt: skip
FAULTS = ("--fault", "stall:0.12:1.6", "--fault", "429:0.05", "--fault", "truncate:0.05:20")
MEASURED: dict[str, tuple[Load, str, tuple[str, ...]]] = {
    "vllm": (CHAT, "vllm", ()),
    "tgi": (CHAT, "tgi", ("--max-batch-total-tokens", "30000")),
    "trouble": (TROUBLE, "vllm", FAULTS),
    "talk-vllm": (TALK, "vllm", ()),
    "talk-tgi": (TALK, "tgi", ()),
    "capacity": (CAPACITY, "vllm", ("--max-num-seqs", "12", "--answer-tokens", "25:8")),
}
"""Run -> load, server, the server's arguments."""

LABELS = {"vllm": "vLLM", "tgi": "TGI", "trouble": "vLLM with faults", "talk-vllm": "vLLM", "talk-tgi": "TGI",
          "capacity": "vLLM, 12 seats"}  # fmt: skip
PAIR = ("vllm", "tgi")
LIMITS = (
    ttft_cdf.Limit("SLO 1,000 ms", 1000.0),
    ttft_cdf.Limit("the article’s 152 ms, a first byte", ARTICLE_MS),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of the gallery: what draws it, of which runs, and how to read it."""

    name: str
    question: str
    draw: Draw
    runs: tuple[str, ...]
    reading: str


GALLERY = (
    Shown("swim_lanes", swim_lanes.TITLE, swim_lanes.draw, PAIR,
          "Each row is a user. Above, nearly all is blue: text. Below, TGI's batch is full, for it reserves "
          "each request's whole possible answer, and every later turn waits amber for a place: "
          "the staircase is the queue."),
    Shown("ttft_cdf", ttft_cdf.TITLE, partial(ttft_cdf.draw, limits=LIMITS), PAIR,
          "The lines are asked for: `--slo-ms 1000 --article`. A curve crosses one at the share of turns within it."),
    Shown("first_byte", first_byte.TITLE, first_byte.draw, ("talk-vllm", "talk-tgi"),
          "What JMeter calls latency ends at the dashed line, what a reader waits for at the solid one. Here they lie "
          "together, because these servers send their first byte with the first token."),
    Shown("over_time", over_time.TITLE, over_time.draw, PAIR,
          "TTFT climbs as users come in, and tokens/s stops climbing: there is the server's limit."),
    Shown("tokens_per_s", tokens_per_s.TITLE, tokens_per_s.draw, PAIR,
          "On the left the wait counts, on the right it does not. A server may write fast and still be felt as slow."),
    Shown("gaps", gaps.TITLE, gaps.draw, ("vllm", "tgi", "trouble"),
          "Above, the usual rhythm; below, the rare long silences, which the upper half would hide."),
    Shown("stall_map", stall_map.TITLE, stall_map.draw, ("trouble",),
          "A dark row is one user's bad luck, a dark column a server that stands still. Crosses end a stall."),
    Shown("swim_lanes_faults", swim_lanes.TITLE, swim_lanes.draw, ("trouble",),
          "The same run as lanes: stalls and failures where they happened."),
    Shown("ttft_by_turn", ttft_by_turn.TITLE, ttft_by_turn.draw, ("talk-vllm", "talk-tgi"),
          "Conversations that grow. Flat, as here: what is known is not read again (prefix cache), or is soon read. "
          "Where a line climbs, the server reads the whole history again each turn."),
    Shown("comparison", comparison.TITLE, comparison.draw, PAIR,
          "Drawn where several runs are given. Bars that do not overlap are a difference."),
    Shown("capacity_curve", capacity_curve.TITLE, capacity_curve.draw, ("capacity",),
          "Each mark is a level of a search ([capacity.md](capacity.md)). Flat, and then a knee: the seats are full "
          "there, and one user more makes all wait longer. The answer is the last number that kept every limit."),
    Shown("server_metrics", server_metrics.TITLE, server_metrics.draw, PAIR,
          "Where the server has a `/metrics` page: what it says of itself beside the turns that we had in flight."),
)  # fmt: skip

INTRODUCTION = """# Pictures

```
python -m plots RUN…                         those that fit the runs, as PNG and SVG, into RUN/plots
python -m plots RUN --only swim_lanes --format pdf
python -m plots RUN --slo-ms 500 --article   lines in ttft_cdf
```

Every run also leaves `report.html` with the most telling ones in it, drawn without matplotlib.
Each picture is one file in `plots/`, answers the question it is called by, and is tested on the data drawn.
This page and its pictures are made by `make gallery` (`python -m lab.study.gallery`) from runs against the simulator.
"""
ELSEWHERE = """
## More

`throughput_levels` (tokens/s against requests in flight), `intervals` (arrivals coming faster) and `timeline` (every
reply as a line) are drawn for sweeps and open loops: see [tuning.md](tuning.md).
"""


def main(argv: Sequence[str]) -> int:
    """Measure, draw, write the page."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.gallery", description=__doc__)
    parser.add_argument(
        "--out", type=Path, help="folder for the runs (results/<time>-gallery); those there are kept"
    )
    folder = parser.parse_args(argv).out or ROOT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-gallery"
    folder = folder.resolve()
    _measure(folder)
    runs = {name: read_run(folder / name) for name in MEASURED}
    pictures = ROOT / "docs" / "pictures"
    for shown in GALLERY:
        write_picture(shown.draw, [runs[name] for name in shown.runs], pictures / f"plot-{shown.name}.png")
    sys.stdout.write(f"written: {write_page()}\n")
    return 0


def write_page() -> Path:
    """docs/plots.md, which needs no runs."""
    page = ROOT / "docs" / "plots.md"
    page.write_text(
        "\n".join([INTRODUCTION, *map(_section, GALLERY), ELSEWHERE.strip(), ""]), encoding="utf-8"
    )
    return page


def _measure(folder: Path) -> None:
    for name, (load, server, arguments) in MEASURED.items():
        if (folder / name / "summary.json").exists():
            continue
        sys.stdout.write(f"{name}: {load.name} against the simulated {server}\n")
        sys.stdout.flush()
        with simulated(server, arguments, folder / f"{name}-server") as there:
            run_load(load, there.host, folder / name, LABELS[name], ("--server", server))


def _section(shown: Shown) -> str:
    return (
        f"## {shown.question}\n\n`{shown.name.removesuffix('_faults')}`: {shown.reading}\n\n"
        f"![{shown.question}](pictures/plot-{shown.name}.png)\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
