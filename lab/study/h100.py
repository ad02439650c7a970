"""Sends a recorded load of a real vLLM on an H100 to the simulated one over HTTP, and compares the figures.

python -m lab.study.h100 [--row interval-0.5] [--out DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chatload.analysis.summary import summarise
from chatload.store.journal import Run, read_run
from lab.calibration.calibration_row import CalibrationRow, table
from lab.calibration.lengths import Length
from lab.calibration.replay import Recorded, read_rows
from lab.calibration.virtual_time import summarise as summarise_served
from lab.simulated_server import ROOT, read_truth, simulated
from lab.study.load import Load, run_load
from lab.study.trace import write_trace

ROWS = ROOT / "tests" / "cases" / "h100"
SEED = 1
ARGUMENTS = ("--profile", "h100-llama2-7b")


def main(argv: Sequence[str]) -> int:
    """Exit 0 when every figure is within its allowed error, else 1."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.h100", description=__doc__)
    parser.add_argument("--row", default="interval-0.5", help="interval-0.5, interval-0.05 or interval-0")
    parser.add_argument("--out", type=Path, help="folder for run and logs (results/<time>-h100)")
    chosen = parser.parse_args(argv)
    folder = chosen.out or ROOT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-h100"
    folder = folder.resolve()
    seen = read_rows(ROWS / f"{chosen.row}.csv")
    trace = folder / "trace.jsonl"
    lengths = [Length(row.prompt_tokens, row.tokens) for row in seen]
    write_trace(trace, lengths, [row.start_s for row in seen], SEED, template_tokens=0)
    load = Load(chosen.row, "arrivals-at-once", ("--trace", str(trace), "--seed", str(SEED)))
    # Plain completions: the server puts nothing around the prompt, so its length is the recorded one.
    with simulated("vllm-0.33", ARGUMENTS, folder) as server:
        run_load(load, server.host, folder / "run", "H100", ("--server", "vllm-completions"))
    found = figures(seen, read_run(folder / "run"), chosen.row)
    print("\n".join(table(found, "measured")))
    print("simulator late, ms:", dict(read_truth(folder).lateness_ms))
    return 0 if all(one.holds for one in found) else 1


def figures(seen: Sequence[Recorded], run: Run, load: str) -> list[CalibrationRow]:
    """Throughput, mean felt speed and TTFT of the recorded requests and of ours."""
    there, here = summarise_served([row.served() for row in seen]), summarise(run)
    return [
        CalibrationRow(load, "requests/s", there.requests_per_s, here.throughput.requests_per_s or 0.0, 0.08),
        CalibrationRow(
            load,
            "average tokens/s",
            there.average_speed,
            here.of_whole_run("felt_tokens_per_s").mean or 0.0,
            0.08,
        ),
        CalibrationRow(
            load, "TTFT p50 ms", there.ttft_p50_s * 1e3, here.of_whole_run("ttft_ms").p50 or 0.0, 0.2
        ),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
