"""`chatload report`: reads run folders, prints; writes an absent summary.json, and what --html asks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from chatload.analysis.cost import with_prices
from chatload.analysis.sample import asking
from chatload.analysis.summary import summarise
from chatload.cli.compare import add_force, add_prices, add_window
from chatload.cli.output_file import write_file
from chatload.files.packaged import prefer_own
from chatload.model.errors import UsageError
from chatload.model.sanitize import json_text
from chatload.model.summary import Summary, content_of
from chatload.options.command_parser import Parser
from chatload.render.csv_tables import summary_csv, turns_csv
from chatload.render.html import REPORT, report_html
from chatload.render.jmeter_aggregate import jmeter_text
from chatload.render.run_files import SUMMARY, keep_summary, read_runs, refuse_repeated
from chatload.render.shareable import LEFT_OUT, shareable
from chatload.render.side_by_side import side_by_side_text
from chatload.render.text import report_text
from chatload.store.journal import Run


def report(argv: Sequence[str]) -> int:
    """Run `chatload report`; returns the exit code."""
    chosen = _chosen(argv)
    runs = read_runs(chosen.runs)
    for run in runs:
        with_prices(run, chosen.price, chosen.server_cost)
    priced = chosen.price is not None or chosen.server_cost is not None
    if chosen.format == "jmeter":
        sys.stdout.write("\n".join(jmeter_text(run, titled=len(runs) > 1) for run in runs))
        return 0
    if chosen.csv_turns:
        sys.stdout.write(turns_csv(runs))
        return 0
    if not (chosen.csv or chosen.json):
        refuse_repeated(runs)
    summaries = [summarise(run, chosen.window) for run in runs]
    for run, summary in zip(runs, summaries, strict=True):
        if not (chosen.window or priced or (run.folder / SUMMARY).exists()) and run.manifest.ended not in (
            None,
            "running",
        ):
            keep_summary(run, summary)
    if chosen.share is not None:
        shared = [shareable(run) for run in runs]
        chosen.html = chosen.share
        _write_html(chosen, shared, [summarise(run, chosen.window) for run in shared], LEFT_OUT)
    elif chosen.html is not None:
        _write_html(chosen, runs, summaries)
    elif chosen.csv:
        sys.stdout.write(summary_csv(runs, summaries))
    elif chosen.json:
        contents = [content_of(summary) for summary in summaries]
        sys.stdout.write(json_text(contents[0] if len(contents) == 1 else contents))
    elif len(runs) == 1:
        sys.stdout.write(report_text(runs[0], summaries[0]))
    else:
        sys.stdout.write(side_by_side_text(runs, summaries, chosen.window, force=chosen.force))
    return 0


def _chosen(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser("report", description="Print what runs measured. Exit code 0.")
    parser.add_argument("runs", nargs="*", metavar="RUN", type=Path, help="run folder, such as results/…")
    parser.add_argument("--json", action="store_true", help="print the summary (several: a list) as JSON")
    parser.add_argument(
        "--csv", action="store_true", help="print the summary as CSV: run, metric, statistic, unit, value"
    )
    parser.add_argument("--csv-turns", action="store_true", help="print a row a turn as CSV")
    parser.add_argument(
        "--html",
        nargs="?",
        const="",
        metavar="FILE",
        help="write one self-contained page (one RUN: its report.html; -: standard output)",
    )
    parser.add_argument(
        "--share",
        metavar="FILE",
        help="write the page of one RUN without hosts, keys, prompts or replies, for anybody (-: standard output)",
    )
    parser.add_argument(
        "--format", choices=("text", "jmeter"), default="text", help="jmeter: its Aggregate Report, exactly"
    )
    add_force(parser)
    add_window(parser)
    add_prices(parser)
    chosen = parser.parse_args(argv)
    if chosen.html and (Path(chosen.html) / "manifest.json").is_file():  # `--html RUN`: that was no FILE
        chosen.runs.insert(0, Path(chosen.html))
        chosen.html = ""
    if not chosen.runs:
        parser.error("the following arguments are required: RUN")
    forms = [name for name in ("json", "csv", "csv_turns") if getattr(chosen, name)]
    forms += [name for name in ("html", "share") if getattr(chosen, name) is not None]
    forms += ["format jmeter"] if chosen.format == "jmeter" else []
    if len(forms) > 1:
        named = " and ".join(f"--{form.replace('_', '-')}" for form in forms)
        raise UsageError([f"{named}: one form at a time"])
    if chosen.share is not None and len(chosen.runs) > 1:
        raise UsageError(["--share: one RUN at a time"])
    if chosen.share == "":
        raise UsageError(["--share: name the file to write"])
    return chosen


def _write_html(
    chosen: argparse.Namespace,
    runs: Sequence[Run],
    summaries: Sequence[Summary],
    left_out: Sequence[str] = (),
) -> None:
    file: str = chosen.html
    if not file and len(runs) > 1:
        raise UsageError(["--html: name the file to write; several runs have no common folder"])
    file = file or str(runs[0].folder / REPORT)
    option = "--share" if left_out else "--html"
    if not Path(file).parent.is_dir():  # before pictures are drawn, for seconds
        raise UsageError([f"{option} {file}: cannot be written: there is no folder {Path(file).parent}"])
    prefer_own("plots")
    from plots.report.beside import side_by_side  # here, since `prefer_own` comes first

    drawn = side_by_side([asking(run, chosen.window) for run in runs])
    page = report_html(runs, summaries, drawn, chosen.window, force=chosen.force, left_out=left_out)
    write_file(option, file, page)
