"""`python -m lab.calibration`: fit the step costs and print every figure: measured, simulated, difference.

The article's rows (lab/calibration/article.py) need nothing else; `--h100 tests/cases/h100` adds the measured
H100. `--no-search` prints the profiles as they stand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from lab.calibration import article, h100
from lab.calibration.calibration_row import CalibrationRow, table
from lab.calibration.replay import Target
from simulator.engine.frontend import FrontendCost
from simulator.engine.step_cost import Cost


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 if every fitted figure is within its allowed error, else 1."""
    parser = argparse.ArgumentParser(prog="python -m lab.calibration", description=__doc__)
    parser.add_argument("--no-search", action="store_true", help="print the profiles as they stand")
    parser.add_argument("--evaluations", type=int, default=160, help="runs of the whole table per search")
    parser.add_argument("--h100", type=Path, metavar="FOLDER", help="recorded loads, e.g. tests/cases/h100")
    chosen = parser.parse_args(arguments)
    good = True
    for server in article.SERVERS:
        cost = None if chosen.no_search else article.fit(server, chosen.evaluations)
        if cost:
            _print_constants(f"{server}@{article.HARDWARE}", cost)
        print(f"mean of the draws {article.FIT_SEEDS}, which the search uses:")
        _print_figures(article.figures(server, article.FIT_SEEDS, cost, unseen=False), "article")
        print(f"draw {article.CHECKED_SEED}:")
        good &= _print_figures(article.figures(server, (article.CHECKED_SEED,), cost), "article")
    if chosen.h100:
        rows = h100.load_rows(chosen.h100)
        target = Target(h100.PROFILE, {})
        if not chosen.no_search:
            target = h100.fit(rows, chosen.evaluations)
            assert target.cost and target.frontend
            _print_constants(h100.PROFILE, target.cost)
            _print_constants(h100.PROFILE, target.frontend)
        good &= _print_figures(h100.figures(rows, target), "measured")
    return 0 if good else 1


def _print_constants(name: str, constants: Cost | FrontendCost) -> None:
    print(f"# {name}, fitted; for simulator/engine/profiles.toml")
    for field in fields(constants):
        value = getattr(constants, field.name)
        if value and not isinstance(value, bool):
            print(f"{field.name} = {value:.4g}")


def _print_figures(found: Sequence[CalibrationRow], source: str) -> bool:
    print("\n".join(table(found, source)), end="\n\n")
    return all(one.holds for one in found if one.fitted)


if __name__ == "__main__":
    sys.exit(main())
