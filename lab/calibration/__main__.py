"""`python -m lab.calibration`: fit the constants of profiles and print every figure: measured, simulated, difference.

The article's rows (lab/calibration/article.py), and with --machine recorded loads (lab/calibration/recorded_loads.py).
`--no-search` prints the profiles as they stand.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial

from lab.calibration import article
from lab.calibration.calibration_row import CalibrationRow, table
from lab.calibration.distributions import fit_of
from lab.calibration.fit_table import load_lines, summary_lines
from lab.calibration.machine_fit import constant_lines, fit_machine
from lab.calibration.recorded_loads import MACHINES, Machine
from lab.calibration.replay import Target


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 if every fitted figure of the article is within its allowed error, else 1; machines do not count."""
    parser = argparse.ArgumentParser(prog="python -m lab.calibration", description=__doc__)
    parser.add_argument("--no-search", action="store_true", help="print the profiles as they stand")
    parser.add_argument("--evaluations", type=int, default=130, help="runs of the whole table per search")
    parser.add_argument("--machine", choices=("article", *MACHINES), default="article")
    parser.add_argument("--minutes", type=float, default=20.0, help="at most so long for a machine's search")
    parser.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="of a machine's search: as many as processors",
    )
    chosen = parser.parse_args(arguments)
    evaluations = 0 if chosen.no_search else chosen.evaluations
    if chosen.machine != "article":
        minutes = 0.0 if chosen.no_search else chosen.minutes
        return _fit_machine(MACHINES[chosen.machine], minutes, chosen.processes)
    good = True
    for server in article.SERVERS:
        cost = article.fit(server, evaluations) if evaluations else None
        if cost:
            print(f"# {server}@{article.HARDWARE}, fitted; for simulator/engine/profiles.toml")
            print("\n".join(constant_lines(cost)))
            print(f"median of the draws that the search uses, {_named(article.FIT_DRAWS)}:")
            _print_figures(article.figures(server, article.FIT_DRAWS, cost, unseen=False))
        print(f"median of the draws {_named(article.CHECKED_DRAWS)}:")
        good &= _print_figures(article.figures(server, article.CHECKED_DRAWS, cost))
    return 0 if good else 1


def _fit_machine(machine: Machine, minutes: float, processes: int) -> int:
    target = Target(machine.profile, {})
    if minutes:
        target = fit_machine(machine, minutes, processes=processes, say=partial(print, flush=True))
        print(f"# {machine.profile}, fitted; for simulator/engine/profiles.toml")
        print("\n".join(constant_lines(target.cost, target.frontend, target.noise)))
    fits = [fit_of(machine, load, target) for load in machine.loads]
    print("\n".join(line for fit in fits for line in load_lines(fit)))
    print("\n".join(summary_lines(fits)))
    return 0


def _named(draws: Sequence[int]) -> str:
    return f"{draws[0]} to {draws[-1]}"


def _print_figures(found: Sequence[CalibrationRow]) -> bool:
    print("\n".join(table(found, "article")), end="\n\n")
    return all(one.holds for one in found if one.fitted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
