"""`python -m chatload export`: a run folder in the forms of other tools, on standard output or in a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from chatload.errors import UsageError
from chatload.record.jtl import csv_lines, samples, xml_lines
from chatload.report.command import Parser


def export(argv: Sequence[str]) -> int:
    """a run as JMeter's JTL, or its schedule for vLLM, AIPerf or GuideLLM"""
    parser = Parser(prog="python -m chatload export", description="Write a run in the form of another tool.")
    forms = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)
    jtl = forms.add_parser("jtl", help="JMeter's result file; JMeter and its plug-ins read it")
    jtl.add_argument("run", type=Path, metavar="RUN", help="run folder, such as results/…")
    jtl.add_argument("--format", choices=("csv", "xml"), default="csv", help="csv (default) or xml")
    jtl.add_argument("--jmeter", choices=("2", "5"), default="5", help="2: for JMeter 2.x, without sentBytes")
    jtl.add_argument("-o", "--output", type=Path, metavar="FILE", help="file to write, instead of stdout")
    chosen = parser.parse_args(argv)
    manifest = manifest_of(chosen.run)
    found = samples(chosen.run, manifest)
    lines = xml_lines(found) if chosen.format == "xml" else csv_lines(found, sent_bytes=chosen.jmeter == "5")
    write(lines, chosen.output)
    return 0


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a run folder, its journals unread. UsageError if it is none."""
    path = folder / "manifest.json"
    try:
        manifest = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            [f"{folder}: not a run folder (manifest.json: {error.strerror}): name the folder a run wrote"]
        ) from None
    except orjson.JSONDecodeError as error:
        raise UsageError([f"{path}: not JSON ({error}): the file is damaged"]) from None
    if not isinstance(manifest, dict):
        raise UsageError([f"{path}: no JSON object: the file is damaged"])
    return manifest


def write(lines: Iterable[str], output: Path | None) -> None:
    """Write line by line; nothing is held back. UsageError where the file cannot be written."""
    if output is None:
        sys.stdout.writelines(lines)
        return
    try:
        with open(output, "w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except OSError as error:
        raise UsageError([f"--output {str(output)!r}: {error.strerror}"]) from None
