"""`python -m simulator.fit`: fit the step costs again and print every figure: theirs, ours, difference.

The article's rows (simulator/fit_article.py) need nothing else; `--h100 tests/cases/h100` adds the measured
H100. `--no-search` prints the profiles as they stand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence as Row
from dataclasses import fields
from pathlib import Path

from simulator import fit_article, fit_h100
from simulator.cost import Cost
from simulator.figure import Figure, table
from simulator.frontend import FrontendCost
from simulator.replay import Target


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 if every fitted figure is within its allowed error, else 1."""
    parser = argparse.ArgumentParser(prog="python -m simulator.fit", description=__doc__)
    parser.add_argument("--no-search", action="store_true", help="print the profiles as they stand")
    parser.add_argument("--evaluations", type=int, default=160, help="runs of the whole table per search")
    parser.add_argument("--h100", type=Path, metavar="FOLDER", help="recorded loads, e.g. tests/cases/h100")
    chosen = parser.parse_args(arguments)
    good = True
    for server in fit_article.SERVERS:
        cost = None if chosen.no_search else fit_article.fit(server, chosen.evaluations).cost
        if cost:
            _print_constants(f"{server}@{fit_article.HARDWARE}", cost)
        print(f"mean of the draws {fit_article.FIT_SEEDS}, which the search uses:")
        _print_figures(fit_article.figures(server, fit_article.FIT_SEEDS, cost, unseen=False), "article")
        print(f"draw {fit_article.ARTICLE_SEED}:")
        good &= _print_figures(fit_article.figures(server, (fit_article.ARTICLE_SEED,), cost), "article")
    if chosen.h100:
        rows = fit_h100.load_rows(chosen.h100)
        target = Target(fit_h100.PROFILE, {})
        if not chosen.no_search:
            target = fit_h100.fit(rows, chosen.evaluations)
            assert target.cost and target.frontend
            _print_constants(fit_h100.PROFILE, target.cost)
            _print_constants(fit_h100.PROFILE, target.frontend)
        good &= _print_figures(fit_h100.figures(rows, target), "measured")
    return 0 if good else 1


def _print_constants(name: str, constants: Cost | FrontendCost) -> None:
    print(f"# {name}, fitted; for simulator/profiles.toml")
    for field in fields(constants):
        value = getattr(constants, field.name)
        if value and not isinstance(value, bool):
            print(f"{field.name} = {value:.4g}")


def _print_figures(found: Row[Figure], theirs: str) -> bool:
    print("\n".join(table(found, theirs)), end="\n\n")
    return all(one.holds for one in found if one.fitted)


if __name__ == "__main__":
    sys.exit(main())
