"""`chatload export`: a run folder in the forms of other tools, on standard output or in a file."""

from __future__ import annotations

import gzip
import shutil
import sys
import zlib
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from chatload.analysis.summary import summarise
from chatload.cli.output_file import STDOUT
from chatload.interop.jtl import csv_lines, samples, xml_lines
from chatload.interop.replay_schedule import BLOCK_TOKENS, TOOLS, lines_for, lines_with_texts, schedule_of
from chatload.model.errors import UsageError
from chatload.options.command_parser import Parser
from chatload.render.badge import badge_json, badge_of, badge_svg
from chatload.store.journal import Run, read_run
from chatload.store.journal_files import journal_files, open_journal
from chatload.store.manifest import read_manifest


def export(argv: Sequence[str]) -> int:
    """Run `chatload export`; returns the exit code."""
    parser = Parser("export", description="Write a run in the form of another tool.")
    forms = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)
    jtl = forms.add_parser("jtl", help="JMeter's result file; JMeter and its plug-ins read it")
    jtl.add_argument("--format", choices=("csv", "xml"), default="csv", help="csv (default) or xml")
    jtl.add_argument("--jmeter", choices=("2", "5"), default="5", help="2: for JMeter 2.x, without sentBytes")
    schedule = forms.add_parser("schedule", help="when turns were due and how long they were, to be replayed")
    schedule.add_argument("--for", choices=tuple(TOOLS), required=True, dest="tool", help="who replays it")
    schedule.add_argument(
        "--prompts",
        choices=("lengths", "texts"),
        default="lengths",
        help="texts: the very messages (AIPerf only, of a run with --keep-text all or one fixed prompt)",
    )
    badge = forms.add_parser("badge", help="its verdict as a badge: an SVG, or JSON for shields.io/endpoint")
    badge.add_argument("--format", choices=("svg", "shields"), default="svg", help="svg (default) or shields")
    badge.add_argument("--label", default="chatload", help="its left half (default chatload)")
    jsonl = forms.add_parser("jsonl", help="the lines of its journals as they were written, compact or not")
    for form in (jtl, schedule, badge, jsonl):
        form.add_argument("run", type=Path, metavar="RUN", help="run folder, such as results/…")
        form.add_argument(
            "-o", "--output", default=STDOUT, metavar="FILE", help="file to write (-: standard output)"
        )
    chosen = parser.parse_args(argv)
    if chosen.what == "badge":
        run = read_run(chosen.run)
        found_badge = badge_of(run, summarise(run), chosen.label)
        write([badge_svg(found_badge) if chosen.format == "svg" else badge_json(found_badge)], chosen.output)
    elif chosen.what == "jtl":
        found = samples(chosen.run, read_manifest(chosen.run))
        as_csv = chosen.format == "csv"
        lines = csv_lines(found, sent_bytes=chosen.jmeter == "5") if as_csv else xml_lines(found)
        write(lines, chosen.output)
    elif chosen.what == "jsonl":
        write_journals(chosen.run, chosen.output)
    else:
        write_schedule(read_run(chosen.run), chosen.tool, chosen.prompts == "texts", chosen.output)
    return 0


def write_journals(folder: Path, output: str) -> None:
    """Write the bytes of all journals, in order of their names. UsageError where one cannot be read or written."""
    read_manifest(folder)
    try:
        with nullcontext(sys.stdout.buffer) if output == STDOUT else open(output, "wb") as file:
            for path in journal_files(folder):
                with open_journal(path) as journal:
                    shutil.copyfileobj(journal, file, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError([f"{path}: is damaged, so that not all of its lines can be read"]) from error
    except OSError as error:
        named = f"--output {output!r}" if output != STDOUT else str(folder)
        raise UsageError([f"{named}: {error.strerror or error}"]) from None


def write_schedule(run: Run, tool: str, texts: bool, output: str) -> None:
    """Write the schedule, and tell on stderr how to start the tool and what was guessed."""
    if texts and tool != "aiperf":
        raise UsageError(
            [f"--prompts texts: {tool} makes prompts of its own from lengths; only aiperf sends texts"]
        )
    schedule = schedule_of(run)
    write(lines_with_texts(run, schedule) if texts else lines_for(tool, schedule), output)
    n = len(schedule.requests)
    for guessed, words in (
        (
            0 if texts else schedule.prompts_estimated,
            "prompt lengths are characters / 4: the server did not count",
        ),
        (schedule.outputs_assumed, "answer lengths are max-tokens or what came: the turn failed or was cut"),
    ):
        if guessed:
            sys.stderr.write(f"{guessed:,} of {n:,} {words}\n")
    sys.stderr.write(TOOLS[tool].command.format(n=n, block=BLOCK_TOKENS) + "\n")


def write(lines: Iterable[str], output: str) -> None:
    """Write line by line; nothing is held back. UsageError where the file cannot be written."""
    if output == STDOUT:
        sys.stdout.writelines(lines)
        return
    try:
        with open(output, "w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except OSError as error:
        raise UsageError([f"--output {output!r}: {error.strerror}"]) from None
