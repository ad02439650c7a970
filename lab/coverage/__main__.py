"""The study behind docs/statistics.md: plays every case, writes the tables of the page anew.

python -m lab.coverage [--runs 160] [--other-runs 80] [--slower-runs 40] [--processes N] [--part NAME]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from lab.coverage import tables
from lab.coverage.cases import CAPACITY, CASES, EIGHT, HELD_OUT, OPEN, OTHER_ARRIVALS, SWEEP, AnyCase
from lab.coverage.figures import Measured, measure
from lab.generate_docs import DOCS, with_part

PAGE = DOCS / "statistics.md"


def main(argv: Sequence[str]) -> int:
    """Play, evaluate, write."""
    parser = argparse.ArgumentParser(prog="python -m lab.coverage", description=__doc__)
    parser.add_argument("--runs", type=int, default=160, help="runs of each of the eight cases (160)")
    parser.add_argument("--other-runs", type=int, default=80, help="runs of each other case (80)")
    parser.add_argument("--slower-runs", type=int, default=40, help="runs of each slower server (40)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="as many as processors")
    parser.add_argument(
        "--part", action="append", choices=sorted(PARTS), help="only this part; may be repeated"
    )
    given = parser.parse_args(argv)
    parts = given.part or list(PARTS)
    eight = _names(EIGHT)
    with ProcessPoolExecutor(given.processes) as pool:
        wanted = {(name, 1.0) for part in parts for name in PARTS[part][1]}
        if any(part in SLOWER_PARTS for part in parts):
            wanted |= {(case.name, factor) for case in EIGHT for factor in tables.SLOWER}
        pools: dict[tuple[str, float], Sequence[Measured]] = {}
        for name, factor in sorted(wanted):
            runs = (
                given.other_runs if name not in eight else given.runs if factor == 1.0 else given.slower_runs
            )
            pools[name, factor] = list(pool.map(partial(played, name, factor), range(runs), chunksize=4))
            sys.stderr.write(f"{name} × {factor}: {runs} runs\n")
        write(pools, parts)
    return 0


def played(name: str, factor: float, seed: int) -> Measured:
    """One run of a case, measured."""
    case = CASES[name]
    return measure(case, case.play(seed, factor))


def write(pools: tables.Pools, parts: Sequence[str]) -> None:
    """These parts of the page."""
    for part in parts:
        make, names = PARTS[part]
        PAGE.write_text(with_part(PAGE, part, make(pools, names)), encoding="utf-8")


def _described(pools: tables.Pools, names: Sequence[str]) -> str:
    return f"{tables.cases(names)}\n\n{tables.coverage(pools, names)}"


def _eight(pools: tables.Pools, names: Sequence[str]) -> str:
    return f"{_described(pools, names)}\n\n{tables.summary(pools)}"


def _names(of: Sequence[AnyCase]) -> tuple[str, ...]:
    return tuple(case.name for case in of)


PARTS: dict[str, tuple[Callable[[tables.Pools, Sequence[str]], str], tuple[str, ...]]] = {
    "eight": (_eight, _names(EIGHT)),
    "windows": (tables.windows, _names(EIGHT)),
    "held out": (_described, _names(HELD_OUT)),
    "open loop": (_described, _names(OPEN)),
    "other arrivals": (_described, _names(OTHER_ARRIVALS)),
    "sweep": (_described, _names(SWEEP)),
    "capacity": (_described, _names(CAPACITY)),
    "windows of a level": (tables.level_windows, _names(CAPACITY)),
    "failed share": (tables.failures, _names(EIGHT)),
    "compare": (tables.compare, _names(EIGHT)),
    "check": (tables.check, _names(EIGHT)),
    "ab": (tables.alternate, _names(EIGHT)),
    "slo": (tables.slos, _names(EIGHT)),
}
"""What is generated: how, of which cases."""
SLOWER_PARTS = ("compare", "check", "ab")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
