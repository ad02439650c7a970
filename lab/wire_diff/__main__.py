"""`python -m lab.wire_diff [FILE …]`: asks stand-ins what was asked of the genuine servers, lists each difference.

Without arguments over tests/cases/wire. Exit 1 if a difference has no explanation (lab/wire_diff/explanations.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.wire_diff.ask import answers
from lab.wire_diff.captures import Capture, read_captures
from lab.wire_diff.compare import Difference, differences
from lab.wire_diff.explanations import OTHERS, TGI

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "cases" / "wire"


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m lab.wire_diff", description=__doc__)
    parser.add_argument("captures", nargs="*", type=Path, help="a .jsonl.gz file, or a folder of recordings")
    parser.add_argument("--explained", action="store_true", help="list the explained differences too")
    given = parser.parse_args(arguments)
    unexplained = 0
    for path in given.captures or sorted(FOLDER.glob("*.jsonl.gz")):
        captures = read_captures(path)
        found = compared(path, captures)
        open_ones = [one for one in found if not one.why]
        for one in found if given.explained else open_ones:
            print(
                f"{path.name.partition('.jsonl')[0]} {one.case}: {one.words}"
                + (f" [{one.why}]" if one.why else "")
            )
        unexplained += len(open_ones)
        name = path.name.partition(".jsonl")[0]
        print(
            f"{name}: {len(captures)} cases, {len(found)} differences, {len(found) - len(open_ones)} of them explained"
        )
    return 1 if unexplained else 0


def compared(path: Path, captures: Sequence[Capture]) -> list[Difference]:
    """All differences of captures of this file or folder."""
    ours = answers(path.name, captures)
    known = TGI if path.name.startswith("tgi") else OTHERS
    return [each for capture in captures for each in differences(capture, ours[capture.case], known)]


if __name__ == "__main__":
    sys.exit(main())
