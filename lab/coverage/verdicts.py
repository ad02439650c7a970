"""How often compare, check and ab say that a server differs: from itself, and from one that is slower."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from chatload.analysis.comparison_rules import (
    LESS,
    MORE,
    RunFigure,
    against_baselines,
    family_level,
    one_run_a_side,
    rounds,
)
from chatload.model.verdict import DIFFER
from lab.coverage.figures import PERCENTILES, SYSTEM, Measured

MARGIN = 0.05
FAMILY = ("TTFT p50", "TTFT p95", "TPOT p50", "felt p50", SYSTEM)
LEVEL = family_level(len(FAMILY) + 1)
"""The sixth of the family is the share of failed turns; none fails here."""
MORE_IS_BETTER = {one.name for one in PERCENTILES if one.more_is_better} | {SYSTEM}

Run = dict[str, RunFigure]
Sides = tuple[list[Run], list[Run]]
Rule = Callable[[list[Run], list[Run]], bool]
"""Whether it says that B differs from A, by any figure."""


def run_figures(runs: Sequence[Measured]) -> list[Run]:
    """What the rules compare, of the runs that have intervals."""
    return [{name: RunFigure.of(run.estimates[name]) for name in FAMILY} for run in runs if run.estimates]


def drifted(run: Run, sd: float, drawn: random.Random) -> Run:
    """The run on a day when all its times are longer by a factor of that standard deviation."""
    shift = drawn.gauss(0.0, sd) if sd else 0.0
    return {
        name: replace(one, log=one.log + (-shift if name in MORE_IS_BETTER else shift))
        for name, one in run.items()
    }


def compared(a: list[Run], b: list[Run]) -> bool:
    """compare, one run a side: these runs differ by more than the margin."""
    return any(one_run_a_side(a[0][name], b[0][name], MARGIN, LEVEL).verdict == DIFFER for name in FAMILY)


def checked(a: list[Run], b: list[Run]) -> bool:
    """check: the run is worse than the stored ones allow."""
    return any(
        against_baselines(
            [run[name] for run in a], b[0][name], MARGIN, LEVEL, more_is_better=name in MORE_IS_BETTER
        ).alarm
        for name in FAMILY
    )


def alternated(a: list[Run], b: list[Run]) -> bool:
    """ab: any verdict beyond the same and cannot tell."""
    verdicts = {
        rounds([run[name] for run in a], [run[name] for run in b], MARGIN, LEVEL).verdict for name in FAMILY
    }
    return bool(verdicts & {DIFFER, LESS, MORE})


def said(
    rule: Rule, a: Sequence[Run], b: Sequence[Run], sizes: tuple[int, int], sd: float = 0.0, tries: int = 200
) -> float:
    """The share of tries in which the rule sees a difference between `sizes` runs drawn from A and from B.

    Runs are drawn without repeats; where A is B, the sides share none.
    """
    drawn, (n, m), found = random.Random(f"{rule.__name__} {sizes} {sd}"), sizes, 0
    for _ in range(tries):
        if a is b:
            both = drawn.sample(list(a), n + m)
            left, right = both[:n], both[n:]
        else:
            left, right = drawn.sample(list(a), n), drawn.sample(list(b), m)
        found += rule([drifted(run, sd, drawn) for run in left], [drifted(run, sd, drawn) for run in right])
    return found / tries
