"""Writes docs/tuning.md and its pictures: server options at a few values, measured over HTTP with chatload.

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
from textwrap import wrap

from chatload.analysis.summary import summarise
from chatload.render.markdown import table
from chatload.render.text_table import number, seconds, share, statistic
from chatload.store.journal import Run, read_run
from lab.simulated_server import ROOT, read_truth, simulated
from lab.study.load import run_load
from lab.study.pictures import draw_case
from lab.study.tuning_cases import TUNING_CASES, TuningCase

AT_ONCE = 2
"""Cases measured at the same time: the machine needs a core for each."""
TIMES = ("TTFT p50", "TTFT max", "felt tokens/s, mean", "lowest", "gap p99", "longest gap")
HEAD = ("", *TIMES, "replies with a stall", "tokens/s", "failed")
INTRODUCTION = """# What server options do to users

This page shows how some options of vLLM and TGI change waits, speeds and stalls. Run the same `locust` commands against
your own server to find its limits. Numbers carry over to other hardware only as far as the step costs do; which
requests wait for which others does not depend on the hardware.

Made by `make tuning` (`python -m lab.study.tuning`), which measures all cases against the simulator over HTTP and
writes this page. The simulator schedules by the servers' own rules, with step costs fitted to the article (RTX 4090,
Llama-2-7B) or to a recorded H100 ([simulator](simulator.md)).

In the pictures a grey line is the wait for the first token, blue is text arriving, orange is a pause in text that had
begun. Felt speed is tokens / E2E, the wait included. All terms: [metrics](metrics.md).
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One case: its runs by setting, and the worst p99 lateness of the simulator."""

    case: TuningCase
    runs: Mapping[str, Run]
    late_p99_ms: float


def main(argv: Sequence[str]) -> int:
    """Exit 0 when everything was measured; refused requests are part of the results."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.tuning", description=__doc__)
    parser.add_argument(
        "--only", default="", help=f"some of {', '.join(case.key for case in TUNING_CASES)}; no page"
    )
    parser.add_argument("--out", type=Path, help="folder for runs and logs (results/<time>-tuning)")
    parser.add_argument(
        "--from", dest="made", type=Path, help="only make page and pictures, from such a folder"
    )
    chosen = parser.parse_args(argv)
    folder = chosen.made or chosen.out or ROOT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-tuning"
    folder = folder.resolve()
    cases = [case for case in TUNING_CASES if not chosen.only or case.key in chosen.only.split(",")]
    if chosen.made is None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda case: _measure(case, folder), cases))
    shown = [_read(case, folder) for case in cases]
    pictures = ROOT / "docs" / "pictures" if not chosen.only else folder
    for each in shown:
        draw_case(each.case, list(each.runs.values()), pictures)
        _print_line(f"\n{each.case.title} (simulator late p99 {each.late_p99_ms:.1f} ms)\n{_table(each)}")
    if not chosen.only:
        page = ROOT / "docs" / "tuning.md"
        page.write_text("\n".join([INTRODUCTION, *map(_section, shown), _checks(shown)]), encoding="utf-8")
        _print_line(f"written: {page}")
    return 0


def _measure(case: TuningCase, folder: Path) -> None:
    for place, setting in enumerate(case.settings):
        _print_line(f"{case.key}: {setting.label}")
        with simulated(
            case.speak, (*case.arguments, *setting.arguments), folder / case.key / str(place)
        ) as server:
            run_load(case.load, server.host, server.folder / "run", setting.label)


def _read(case: TuningCase, folder: Path) -> Measured:
    places = [folder / case.key / str(place) for place in range(len(case.settings))]
    late = [read_truth(place).lateness_ms.get("p99_ms", 0.0) for place in places]
    runs = {
        setting.label: read_run(place / "run") for setting, place in zip(case.settings, places, strict=True)
    }
    return Measured(case, runs, max(late))


def _section(shown: Measured) -> str:
    case = shown.case
    servers = [
        " ".join(
            [
                "python -m simulator --speak",
                case.speak,
                *case.arguments,
                *setting.arguments,
                "--port-base 8200",
            ]
        )
        for setting in case.settings
    ]
    load = case.load.command("http://127.0.0.1:8200")
    commands = "\n".join(_wrapped(command) for command in (*servers, load))
    return (
        f"## {case.title}\n\n{case.text}\n\n![{case.key}](pictures/tuning-{case.key}.png)\n\n{_table(shown)}\n\n"
        f"```\n{commands}\n```\n"
    )


def _wrapped(command: str) -> str:
    """A shell command of several lines, each at most 114 characters long."""
    lines = wrap(command, 112, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
    return " \\\n".join(lines)


def _table(shown: Measured) -> str:
    return "\n".join(table(HEAD, [_row(label, run) for label, run in shown.runs.items()]))


def _row(label: str, run: Run) -> tuple[str, ...]:
    found = summarise(run)
    ttft, felt = found.of_whole_run("ttft_ms"), found.of_whole_run("felt_tokens_per_s")
    return (
        label,
        seconds(ttft.p50),
        seconds(ttft.max),
        number(felt.mean),
        statistic(felt, "min"),
        seconds(found.of_whole_run("gap_ms").p99),
        seconds(found.of_whole_run("max_gap_ms").max),
        share(found.stalls.replies, found.succeeded),
        number(found.throughput.tokens_per_s),
        f"{found.failures:,} of {found.turns:,}",
    )


def _checks(shown: Sequence[Measured]) -> str:
    late = ",\n".join(f"{each.case.key} {each.late_p99_ms:.1f}" for each in shown)
    return (
        "## Accuracy\n\nEach setting was run once. Lateness of the simulator's own sends against their schedule "
        f"(p99, ms):\n{late}.\n"
    )


def _print_line(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
