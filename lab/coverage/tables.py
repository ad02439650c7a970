"""The study's results as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median

from lab.coverage.cases import CASES, EIGHT
from lab.coverage.figures import PERCENTILES, SYSTEM, Measured
from lab.coverage.gates import DISTANCES, GATED, gates
from lab.coverage.intervals import cells, failed_shares, side_by_side, truths
from lab.coverage.verdicts import Run, alternated, checked, compared, run_figures, said

Pools = Mapping[tuple[str, float], Sequence[Measured]]
"""The runs of each case and each factor of slowness."""
SLOWER = (1.05, 1.10)
DRIFTS = (0.0, 0.01, 0.02)
BASELINES = (1, 4, 6, 10)
ROUNDS = (2, 3, 4, 6)
WINDOWS = (1, 2, 4)
"""Of a capacity search's level."""
FORTY = ("TTFT p50", "TTFT p90", "TTFT p95", "felt p50", "TPOT p50")
"""With the eight cases: the forty cells that the method has to hold in."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def cases(names: Sequence[str]) -> str:
    """What each case is."""
    return table(["case", "what it is"], [[name, CASES[name].words] for name in names])


def coverage(pools: Pools, names: Sequence[str]) -> str:
    """Coverage and half width of every figure."""
    figures = [*(one.name for one in PERCENTILES), SYSTEM]
    rows = []
    for name in names:
        runs = pools[name, 1.0]
        found = cells(runs)
        short = sum(not run.estimates for run in runs)
        cycles = f"{median(run.cycles for run in runs):.1f}"
        told = [found[figure].words() if figure in found else "–" for figure in figures]
        rows.append([name, f"{len(runs)}" + (f" ({short} too short)" if short else ""), cycles, *told])
    return table(["case", "runs", "cycles", *figures], rows)


def summary(pools: Pools) -> str:
    """Mean and worst of the forty cells, and the worst of the system speeds."""
    found = {case.name: cells(pools[case.name, 1.0]) for case in EIGHT}
    held = {(name, figure): found[name][figure].held for name in found for figure in FORTY}
    worst = min(held, key=lambda one: held[one])
    speed = min(found, key=lambda name: found[name][SYSTEM].held)
    return (
        f"Of the 40 cells (8 cases × {', '.join(FORTY)}): mean {fmean(held.values()):.1%},\nworst "
        f"{held[worst]:.0%} ({worst[0]} {worst[1]}), {sum(one < 0.9 for one in held.values())} below 90 %. "
        f"System tokens/s: worst {found[speed][SYSTEM].held:.0%} ({speed})."
    )


def windows(pools: Pools, names: Sequence[str]) -> str:
    """TTFT p95 of turns due while all users were in, and of the whole run."""
    rows = []
    for name in names:
        runs = pools[name, 1.0]
        whole = sorted(value for run in runs for value in run.whole_ttft)
        rows.append([name, f"{truths(runs)['TTFT p95']:.1f}", f"{whole[round(0.95 * (len(whole) - 1))]:.1f}"])
    return table(["case", "all users in (ms)", "whole run (ms)"], rows)


def level_windows(pools: Pools, names: Sequence[str]) -> str:
    """Percentiles of one, two and four windows of a level."""
    asked = [one for one in PERCENTILES if one.name in ("TTFT p90", "TTFT p95", "felt p50")]
    head = ["case", *(f"{one.name}, {windows}" for one in asked for windows in WINDOWS)]
    rows = [
        [
            name,
            *(side_by_side(pools[name, 1.0], one, windows).words() for one in asked for windows in WINDOWS),
        ]
        for name in names
    ]
    return table(head, rows)


def failures(pools: Pools, names: Sequence[str]) -> str:
    """Coverage of the share of failed turns."""
    rows = []
    for name in names:
        found = failed_shares(pools[name, 1.0])
        rows.append(
            [
                name,
                *(
                    f"{one.held:.0%} ±{100 * one.truth * (one.half_width or 0):.1f} points"
                    for one in found.values()
                ),
            ]
        )
    return table(["case", "one by one", "TTFT over a limit", "outages"], rows)


def compare(pools: Pools, names: Sequence[str]) -> str:
    """compare: verdicts "differ" of a server against itself and of slower ones."""
    return _rates(pools, names, [compared], [(1, 1)], tries=200)


def check(pools: Pools, names: Sequence[str]) -> str:
    """check: alarms against k stored runs."""
    return _rates(pools, names, [checked], [(k, 1) for k in BASELINES], tries=200)


def alternate(pools: Pools, names: Sequence[str]) -> str:
    """ab: verdicts of R rounds."""
    return _rates(pools, names, [alternated], [(r, r) for r in ROUNDS], tries=200)


def _rates(
    pools: Pools,
    names: Sequence[str],
    rules: Sequence[Callable[[list[Run], list[Run]], bool]],
    sizes: Sequence[tuple[int, int]],
    tries: int,
) -> str:
    """False verdicts / 5 % slower seen / 10 % slower seen, by the number of runs and the drift."""
    rows = []
    for name in names:
        figures = {factor: run_figures(pools[name, factor]) for factor in (1.0, *SLOWER)}
        for drift in DRIFTS:
            told = [
                "/".join(
                    f"{100 * said(rule, figures[1.0], figures[factor], size, drift, tries):.0f}"
                    for factor in (1.0, *SLOWER)
                )
                for rule in rules
                for size in sizes
            ]
            rows.append([name, f"{drift:.0%}", *told])
    return table(["case", "drift", *(f"{n} against {m}" for n, m in sizes)], rows)


def slos(pools: Pools, names: Sequence[str]) -> str:
    """Gates at limits around the truth."""
    rows = [
        [name, figure, *(one.words() for one in gates(pools[name, 1.0], figure))]
        for figure in GATED
        for name in names
    ]
    return table(["case", "figure", *(f"{distance:+.0%}" for distance in DISTANCES)], rows)
