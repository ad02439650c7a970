"""Writes docs/plots.md and its pictures: every kind of picture once, of runs against the simulator.

python -m lab.study.gallery [--out DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill

from chatload.store.journal import read_run
from lab.simulated_server import ROOT, simulated
from lab.study.load import Load, run_load
from plots import ttft_cdf
from plots.__main__ import ARTICLE_MS
from plots.picture import has_turns, write_picture
from plots.registry import PICTURES

CHAT = Load("chat", "chat-100", ("--turns", "5"))
TROUBLE = Load(
    "trouble", "chat-100", ("--users", "24", "--turns", "4", "--max-tokens", "160", "--allow-failed", "1")
)
TALK = Load("talk", "chat-100-history", ("--users", "24", "--turns", "10", "--max-tokens", "128"))
SEARCH = "--settle 2 --measure 8 --turns 5 --think-time 0.5 --windows 3 --first 12 --rate 20"
SLO = "p90 ttft_ms <= 500; p50 felt_tokens_per_s >= 20"
CAPACITY = Load("capacity", "capacity", ("--slo", SLO, *SEARCH.split()))
FAULTS = ("--fault", "stall:0.12:1.6", "--fault", "429:0.05", "--fault", "truncate:0.05:20")
MEASURED: dict[str, tuple[str, Load, str, tuple[str, ...]]] = {
    "vllm": ("vLLM", CHAT, "vllm", ()),
    "tgi": ("TGI", CHAT, "tgi", ("--max-batch-total-tokens", "30000")),
    "trouble": ("vLLM with faults", TROUBLE, "vllm", FAULTS),
    "talk-vllm": ("vLLM", TALK, "vllm", ()),
    "talk-tgi": ("TGI", TALK, "tgi", ()),
    "capacity": ("vLLM, 12 seats", CAPACITY, "vllm", ("--max-num-seqs", "12", "--answer-tokens", "25:8")),
}
"""Run -> label, load, server, the server's arguments."""
PAIR = ("vllm", "tgi")
LIMITS = (
    ttft_cdf.Limit("SLO 1,000 ms", 1000.0),
    ttft_cdf.Limit("the article’s 152 ms, a first byte", ARTICLE_MS),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of the gallery: of which runs, how to read it, and the name of its file where it is another."""

    picture: str
    runs: tuple[str, ...]
    reading: str
    file: str = ""

    @property
    def title(self) -> str:
        """The question that the picture answers."""
        return PICTURES[self.picture].title

    @property
    def path(self) -> str:
        """Of its file, in docs/."""
        return f"pictures/plot-{self.file or self.picture}.png"


COLUMNS = 120
TALKS = ("talk-vllm", "talk-tgi")
TOLD = (
    Shown(
        "swim_lanes",
        PAIR,
        "Each row is a user. Above, nearly all is blue: text. Below, TGI's batch is full, for it reserves each "
        "request's whole possible answer, and every later turn waits amber for a place: the staircase is the queue.",
    ),
    Shown(
        "ttft_cdf",
        PAIR,
        "The lines are asked for: `--slo-ms 1000 --article`. A curve crosses one at the share of turns within it.",
    ),
    Shown(
        "first_byte",
        TALKS,
        "What JMeter calls latency ends at the wide dashes, what a reader waits for at the solid one. Here they lie "
        "together, because these servers send their first byte with the first token.",
    ),
    Shown(
        "over_time",
        PAIR,
        "TTFT climbs as users come in, and tokens/s stops climbing: there is the server's limit.",
    ),
    Shown(
        "tokens_per_s",
        PAIR,
        "On the left the wait counts, on the right it does not. A server may write fast and still be felt as slow.",
    ),
    Shown(
        "gaps",
        ("vllm", "tgi", "trouble"),
        "Above, the usual rhythm; below, the rare long silences, which the upper half would hide.",
    ),
    Shown(
        "stall_map",
        ("trouble",),
        "A coloured row is one user's bad luck, a coloured column a server that stands still. Crosses end a stall.",
    ),
    Shown(
        "swim_lanes",
        ("trouble",),
        "The same run as swim-lanes: stalls and failures where they happened.",
        "swim_lanes_faults",
    ),
    Shown(
        "ttft_by_turn",
        TALKS,
        "Conversations that grow. Flat, as here: what is known is not read again (prefix cache), or is soon read. "
        "Where a line climbs, the server reads the whole history again each turn.",
    ),
    Shown(
        "comparison",
        PAIR,
        "Drawn where several runs are given. Bars that do not overlap are a difference.",
    ),
    Shown(
        "capacity_curve",
        ("capacity",),
        "Each mark is a level of a search ([capacity.md](capacity.md)). Flat, and then a knee: the seats are full "
        "there, and one user more makes all wait longer. The answer is the last number that kept every limit.",
    ),
    Shown(
        "first_token_parts",
        ("capacity",),
        "The same search ([metrics](metrics.md#where-the-first-tokens-time-went)): beyond the knee it is the queue "
        "that grows; prefill stays what it was.",
    ),
    Shown(
        "server_metrics",
        PAIR,
        "Where the server has a `/metrics` page: what it says of itself beside the turns that we had in flight.",
    ),
)
"""The pictures with words on how to read them."""


def gallery() -> list[Shown]:
    """The pictures to show: those with words, and every other one that fits any run, by its caption."""
    told = {shown.picture for shown in TOLD}
    others = [one for one in PICTURES.values() if one.name not in told and one.fits is has_turns]
    return [*TOLD, *(Shown(one.name, PAIR, one.note) for one in others)]


INTRODUCTION = """# Pictures

```
python -m plots RUN…                         those that fit the runs, as PNG and SVG, into RUN/plots
python -m plots RUN --only swim_lanes --format pdf
python -m plots RUN --slo-ms 500 --article   lines in ttft_cdf
```

Every run also leaves `report.html` with the pictures that fit it. Each picture is one file in `plots/`, answers the
question it is called by, and is tested on the data drawn.
This page and its pictures are made by `make gallery` (`python -m lab.study.gallery`) from runs against the simulator.
"""
ELSEWHERE = "## More\n\nDrawn where they fit the runs (sweeps, open loops), see [tuning.md](tuning.md):\n"


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
    for shown in gallery():
        options = {"limits": LIMITS} if shown.picture == "ttft_cdf" else {}
        chosen = [runs[name] for name in shown.runs]
        write_picture(PICTURES[shown.picture].having(**options), chosen, ROOT / "docs" / shown.path)
    sys.stdout.write(f"written: {write_page()}\n")
    return 0


def write_page() -> Path:
    """docs/plots.md, which needs no runs."""
    page = ROOT / "docs" / "plots.md"
    shown = gallery()
    others = sorted(PICTURES.keys() - {one.picture for one in shown})
    listed = [f"- `{name}`: {PICTURES[name].title}" for name in others]
    parts = [INTRODUCTION, *map(_section, shown), ELSEWHERE, *listed, ""]
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def _measure(folder: Path) -> None:
    for name, (label, load, server, arguments) in MEASURED.items():
        if (folder / name / "summary.json").exists():
            continue
        sys.stdout.write(f"{name}: {load.name} against the simulated {server}\n")
        sys.stdout.flush()
        with simulated(server, arguments, folder / f"{name}-server") as there:
            run_load(load, there.host, folder / name, label, ("--server", server))


def _section(shown: Shown) -> str:
    reading = fill(f"`{shown.picture}`: {shown.reading}", COLUMNS, break_on_hyphens=False)
    return f"## {shown.title}\n\n{reading}\n\n![{shown.title}]({shown.path})\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
