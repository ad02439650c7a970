"""`python -m lab.truth_table`: list the cases, write them as files, serve them, or run a client over them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.truth_table.case import Case
from lab.truth_table.page import case_table
from lab.truth_table.run_client import Limits, verdicts
from lab.truth_table.server import serve
from lab.truth_table.tables import TABLES


def main(argv: Sequence[str]) -> int:
    """Run a command; 1 where a client was wrong."""
    options = _parser().parse_args(argv)
    cases = [case for case in TABLES[options.table] if not options.only or options.only in case.slug]
    if not cases:
        sys.stderr.write(f"--only {options.only}: no case of {options.table} has that in its name\n")
        return 2
    if options.do == "list":
        sys.stdout.write(case_table(cases) + "\n")
        return 0
    if options.do == "export":
        return _export(cases, Path(options.folder))
    if options.do == "serve":
        with open(options.log or "/dev/null", "a", encoding="utf-8") as log:
            return serve(cases, options.port, log, sys.stdout.write)
    if not options.command:
        sys.stderr.write("run: give the client's command after --\n")
        return 2
    limits = Limits(options.tolerance_ms, options.tries, options.timeout_s)
    return _run(cases, options.command, limits)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.truth_table", description=__doc__)
    parser.add_argument("--table", choices=TABLES, default="openai", help="dialect of the cases (openai)")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    commands = parser.add_subparsers(dest="do", required=True)
    commands.add_parser("list", help="print each case with its truth, as Markdown")
    export = commands.add_parser("export", help="write each case as JSON: bytes, times, truth")
    export.add_argument("folder")
    served = commands.add_parser("serve", help="serve the cases on 127.0.0.1 until interrupted")
    served.add_argument("--port", type=int, default=8777)
    served.add_argument("--log", default="", help="file for what was sent when, JSON lines")
    run = commands.add_parser("run", help="run a client's command once a case: run [options] -- COMMAND …")
    run.add_argument("--tolerance-ms", type=float, default=Limits.tolerance_ms)
    run.add_argument("--tries", type=int, default=Limits.tries)
    run.add_argument("--timeout-s", type=float, default=Limits.timeout_s)
    run.add_argument("command", nargs="*")
    return parser


def _export(cases: Sequence[Case], folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        text = json.dumps(case.as_json(), indent=1) + "\n"
        (folder / f"{case.slug}.json").write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(cases)} cases in {folder}\n")
    return 0


def _run(cases: Sequence[Case], command: Sequence[str], limits: Limits) -> int:
    right = partly = 0
    for case, found, told in verdicts(cases, command, limits):
        words = "; ".join(found.wrong) or (
            f"not told: {', '.join(found.untold)}" if found.untold else "right"
        )
        if "ok" in found.untold:
            words = f"not told: {told.get('error') or told}"
        right += not found.wrong and not found.untold
        partly += not found.wrong and bool(found.untold)
        sys.stdout.write(f"{case.name:48} {words}\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{right} of {len(cases)} right, {partly} more as far as told\n")
    return 0 if right == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
