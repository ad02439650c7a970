"""Tests the capacity search on servers of known capacity, in virtual time on the simulator's engine.

python -m lab.study.capacity [--searches 100] [--arrivals]

The true capacity of a server is the largest number of chat users that meet the SLOs over 45 minutes. A search makes
the same decisions as Locust's, from the same verdicts, ramp, settling time and windows, in steps of the engine.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from chatload.analysis.capacity_levels import level_s, measuring_s, reply_s, settling_s
from chatload.analysis.growth import Growth, with_growth
from chatload.analysis.slo_verdict import level_verdict
from chatload.loads.level_search import Capacity, LevelSearch, Rules
from chatload.model.errors import CONTEXT_FULL
from chatload.model.turn import Turn
from chatload.model.verdict import MET, UNDECIDED
from lab.study.capacity_cases import ARRIVING, CONTEXTS, FAILING, LAX, SEARCH_CASES, WITH_HISTORY, SearchCase
from lab.study.capacity_level import window, window_and_growth

CONTEXT_LONG_S = 600.0
LONG_S, AGED_S = 2700.0, 200.0


def true_capacity(case: SearchCase, low: int, high: int, long_s: float = LONG_S, seed: str = "truth") -> int:
    """The most users, from `low` (which must meet them) to below `high`, that meet the SLOs over `long_s`."""
    load = replace(case.load, settle_s=AGED_S, measure_s=long_s)
    while high - low > 1:
        middle = (low + high) // 2
        turns, grown = window_and_growth(case, middle, seed, load)
        if level_verdict(turns, case.objectives)[0] == MET and not (load.arrives and grown.grows):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The capacity that one search found, and the number of its windows."""

    found: Capacity
    windows: int

    def covers(self, truth: int) -> bool:
        """True when the truth is inside the interval."""
        low, high = self.found.interval
        return (low is None or low <= truth) and (high is None or truth <= high)


def search(case: SearchCase, seed: int, *, sees_growth: bool = True) -> SearchResult:
    """One search, as `locustfiles/capacity.py` makes it; without `sees_growth` one that looks at the SLOs only."""
    load = case.load
    levels = LevelSearch(Rules(load.first, load.most, load.precision, load.windows, load.arrives))
    measured: dict[int, list[Turn]] = {}
    growths: dict[int, Growth] = {}
    windows, took_s = 0, 0.0
    if load.arrives:  # the warm-up tells how long replies take
        took_s = reply_s(window(case, load.first, f"{seed} warm-up", load))
    while (users := levels.next_users) is not None:
        windows += 1
        needed_s = level_s(case.load, users, load.measure_s, took_s)
        level = replace(load, settle_s=settling_s(load, took_s), measure_s=needed_s)
        turns, grown = window_and_growth(case, users, f"{seed} {windows}", level, took_s)
        growths[users] = growths.get(users, Growth()) + grown
        load = replace(load, measure_s=measuring_s(case.load.measure_s, turns))
        took_s = min(took_s, reply_s(turns) or took_s)
        pooled = measured.setdefault(users, [])
        pooled += [replace(turn, group=str(windows)) for turn in turns]
        verdict, sure, _ = level_verdict(pooled, case.objectives)
        if load.arrives and sees_growth:
            verdict, sure = with_growth(verdict, sure, growths[users])
        levels.measured(users, verdict if sure else UNDECIDED, verdict == MET)
    return SearchResult(levels.found, windows)


def table_row(case: SearchCase, truth: int, searches: Sequence[SearchResult]) -> str:
    """A row of docs/capacity.md."""
    n = len(searches)
    errors = sorted(one.found.users / truth - 1 for one in searches)
    near = sum(abs(error) <= 0.1 for error in errors)
    inside = sum(one.covers(truth) for one in searches)
    bounded = sum(
        one.found.surely_met is not None and one.found.surely_missed is not None for one in searches
    )
    windows = sum(one.windows for one in searches) / n
    return (
        f"| {case.name} | `{case.slo}` | {truth} | {near} of {n} | {sum(errors) / n:+.1%} | "
        f"{errors[0]:+.0%} … {errors[-1]:+.0%} | {inside} of {n} | {bounded} of {n} | {windows:.1f} |"
    )


def arrivals_row(case: SearchCase, searches: int, longs: int = 6) -> str:
    """A row of the table of arrivals: the truth is from the least to the most that so many long runs give."""
    truths = [true_capacity(case, 20, 120, seed=f"truth {number}") for number in range(longs)]
    found = [search(case, seed) for seed in range(searches)]
    answers = [one.found.users for one in found]
    low, high = min(truths), max(truths)
    inside = sum(any(one.covers(truth) for truth in (low, high)) for one in found)
    return (
        f"| `{case.slo}` | {low} to {high} | {sum(answers) / searches:.1f} | {min(answers)} … {max(answers)} | "
        f"{inside} of {searches} | {sum(one.windows for one in found) / searches:.1f} |"
    )


def context_row(case: SearchCase, unlimited: int, searches: int) -> str:
    """A row of the table of short contexts; `unlimited` is the truth without one."""
    truth = true_capacity(case, 0, 80, CONTEXT_LONG_S)
    found = [search(case, seed) for seed in range(searches)]
    users = [one.found.users for one in found]
    own, other = (sum(one.covers(known) for one in found) for known in (truth, unlimited))
    limit = f"{case.context:,}" if case.context else "none"
    turns = [turn for number in range(4) for turn in window(case, max(1, truth), f"window {number}")]
    early = "–" if case.fails else f"{ended_early(turns, case.load.conversation_turns):.0%}"
    return (
        f"| {limit} | `{'fail' if case.fails else 'end'}` | {early} | {truth} | "
        f"{min(users)} … {max(users)} | {own} of {searches} | {other} of {searches} | "
        f"{sum(one.windows for one in found) / searches:.1f} |"
    )


def ended_early(turns: Sequence[Turn], last: int) -> float:
    """The share of conversations that met the limit before turn `last`, among those that ended."""
    early = sum(turn.code == CONTEXT_FULL for turn in turns)
    whole = sum(turn.ok and turn.turn == last for turn in turns)
    return early / max(1, early + whole)


def main(argv: Sequence[str]) -> int:
    """Print a row per case: the true capacity, and how near the searches came."""
    parser = argparse.ArgumentParser(prog="python -m lab.study.capacity", description=__doc__)
    parser.add_argument("--searches", type=int, default=100, help="searches of each server (100)")
    parser.add_argument("--only", default="", help="only servers with this in their name")
    parser.add_argument("--arrivals", action="store_true", help="searches in arrivals (about 5 min for 14)")
    parser.add_argument(
        "--context", action="store_true", help="searches with short contexts (about 10 min for 5)"
    )
    given = parser.parse_args(argv)
    count = given.searches
    if given.context:
        unlimited = true_capacity(WITH_HISTORY, 1, 80, CONTEXT_LONG_S)
        for limit, fails in (*((limit, False) for limit in CONTEXTS), (FAILING, True)):
            case = dataclasses.replace(WITH_HISTORY, context=limit, fails=fails)
            sys.stdout.write(context_row(case, unlimited, count) + "\n")
            sys.stdout.flush()
        return 0
    if given.arrivals:
        for slo in ("p95 ttft_ms <= 500", LAX):
            sys.stdout.write(arrivals_row(dataclasses.replace(ARRIVING, slo=slo), count) + "\n")
            sys.stdout.flush()
        return 0
    for case in (case for case in SEARCH_CASES if given.only in case.name):
        truth = true_capacity(case, 1, 160)
        sys.stdout.write(table_row(case, truth, [search(case, seed) for seed in range(count)]) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
