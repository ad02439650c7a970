"""One side of runs against another: the one comparison that every command, page and file shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from chatload.analysis.comparable import (
    Conditions,
    dialect_of,
    load_conditions,
    measuring_conditions,
    model_of,
    served_conditions,
    unlike,
)
from chatload.analysis.comparison_rules import LEAST_BASELINES as LEAST_BASELINES
from chatload.analysis.comparison_rules import LEAST_ROUNDS
from chatload.analysis.context_use import context_use
from chatload.analysis.effects import against, effects, overall
from chatload.analysis.equal_lengths import EqualLengths, equal_lengths
from chatload.analysis.exit_code import UNTRUSTED
from chatload.analysis.failed_share import FAILED_MARGIN, Side
from chatload.analysis.measured_conditions import ANSWER_LENGTH, measured_differences
from chatload.analysis.sample import asked_of, samples
from chatload.analysis.token_limit import beyond_limit
from chatload.analysis.validity import validity_of
from chatload.model.sanitize import one_line
from chatload.model.summary import WHOLE_RUN
from chatload.model.verdict import CANNOT_TELL, ComparisonOutcome, Effect
from chatload.model.words import listed, plural
from chatload.options.run_options import ALL_IN, WHOLE
from chatload.store.journal import Run
from chatload.store.manifest import Manifest

MARGIN: Final = 0.05
"""Differences up to this share are the same."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A. `names` are those of A and B. `not_alike` are conditions that must be alike and are not;
    `differences` are said first too, and forbid no verdict. `forced`: there is a verdict all the same.

    `refused` says why there is no verdict. `untrusted` are runs whose measurement is not to be trusted. `window` is the
    stretch of all runs that is compared. `gate`: A are stored runs, and B may be worse or not. `equal_lengths` is told
    beside the verdict, where answers of both sides are not equally long.
    """

    names: tuple[str, str]
    a: tuple[Run, ...]
    b: tuple[Run, ...]
    margin: float
    not_alike: tuple[str, ...]
    differences: tuple[str, ...]
    forced: bool
    refused: str
    effects: tuple[Effect, ...]
    untrusted: tuple[Run, ...]
    warnings: tuple[str, ...]
    window: str
    gate: bool = False
    equal_lengths: EqualLengths | None = None

    @property
    def names_the_better(self) -> bool:
        """Whether there are rounds enough to call a side better or worse."""
        return len(self.a) >= LEAST_ROUNDS

    @property
    def failed_margin(self) -> float:
        """Shares of failed turns this near to each other are the same."""
        return FAILED_MARGIN

    @property
    def verdict(self) -> ComparisonOutcome:
        """The verdict over all metrics."""
        return CANNOT_TELL if self.refused else overall(self.effects)

    def effects_that_are(self, verdict: str) -> list[Effect]:
        """The effects of one verdict."""
        return [one for one in self.effects if one.verdict == verdict]


def compare_runs(
    a: Sequence[Run],
    b: Sequence[Run],
    margin: float = MARGIN,
    *,
    names: tuple[str, str] = ("A", "B"),
    window: str = "",
    force: bool = False,
) -> Comparison:
    """Compare both sides, their runs in pairs, as rounds that were held in turns.

    Runs that differ in a condition that must be alike get no verdict, unless `force`. `window`: "all-in" or "whole",
    empty: as the runs were told.
    """
    pairs = min(len(a), len(b))
    sides = a[:pairs], b[:pairs]
    found = _compared(sides, names, margin, window=window, force=force, gate=False)
    if len(a) == len(b):
        return found
    words = f"{names[0]} has {plural(len(a), 'run')}, {names[1]} {len(b):,}: the first {pairs:,} of each are compared."
    return replace(found, warnings=(words, *found.warnings))


def check_run(
    baselines: Sequence[Run], run: Run, margin: float = MARGIN, *, window: str = "", force: bool = False
) -> Comparison:
    """Whether a run is worse than stored ones allow; they must be of the same load, model and kind of server."""
    names = ("baseline", "run")
    return _compared((baselines, [run]), names, margin, window=window, force=force, gate=True)


def _compared(
    sides: tuple[Sequence[Run], Sequence[Run]],
    names: tuple[str, str],
    margin: float,
    *,
    window: str,
    force: bool,
    gate: bool,
) -> Comparison:
    a, b = sides
    measured = measured_differences(a, b)
    must_be = unlike(sides, gate_conditions if gate else _conditions)
    differing = [*must_be, *((one.name, one.values) for one in measured if one.too_far)]
    may_be = [*unlike(sides, dialect_of), *((one.name, one.values) for one in measured if not one.too_far)]
    empty = [name for name, runs in zip(names, sides, strict=True) if not any(map(has_good_turn, runs))]
    refused = f"{' and '.join(empty)} has no good turn" if empty else ""
    found: Sequence[Effect] = ()
    stretch = _stretch([*a, *b], window)
    if differing and not force:
        refused = f"the runs were not made alike ({', '.join(sorted(name for name, _ in differing))})"
    elif made_up(a, b):
        refused = made_up(a, b)
    elif gate:
        found = against([_side(run, stretch) for run in a], _side(b[0], stretch), margin)
    else:
        found = effects([_side(run, stretch) for run in a], [_side(run, stretch) for run in b], margin)
    other_lengths = any(one.name == ANSWER_LENGTH for one in measured)
    beside = other_lengths and not (gate or empty or made_up(a, b))
    return Comparison(
        names=names,
        a=tuple(a),
        b=tuple(b),
        margin=margin,
        not_alike=tuple(_unlike_words(names, one) for one in differing),
        differences=tuple(_unlike_words(names, one) for one in may_be),
        forced=bool(differing) and force,
        refused=refused,
        effects=tuple(found),
        untrusted=tuple(run for run in (*a, *b) if not trustworthy(run)),
        warnings=(*_warnings(a, b, found, names), *_how_many(len(a), gate=gate)),
        window=_side(a[0], stretch).samples.figures.name,
        gate=gate,
        equal_lengths=(
            equal_lengths([_side(run, stretch) for run in a], [_side(run, stretch) for run in b], margin)
            if beside
            else None
        ),
    )


def unlike_sides(a: Run, b: Run) -> list[str]:
    """A line for each condition that the plans and models of A and B must have alike, and have not."""
    return [_unlike_words(("A", "B"), one) for one in unlike(([a], [b]), _conditions)]


def _conditions(manifest: Manifest) -> Conditions:
    return load_conditions(manifest) | model_of(manifest)


def gate_conditions(manifest: Manifest) -> Conditions:
    """What a run and its baselines must have alike: load, model, kind of server."""
    return _conditions(manifest) | served_conditions(manifest)


def _unlike_words(names: tuple[str, str], difference: tuple[str, tuple[str, ...]]) -> str:
    name, (one, other) = difference
    return f"not alike: {name}: {names[0]} '{one}', {names[1]} '{other}'"


def _stretch(runs: Sequence[Run], window: str) -> str:
    """The same window for all runs: that with all users in only where each has it."""
    if {asked_of(run, window) for run in runs} != {ALL_IN}:
        return WHOLE
    names = {samples(run.turns, run.manifest.load, ALL_IN).figures.name for run in runs}
    return WHOLE if WHOLE_RUN in names else ALL_IN


def made_up(a: Sequence[Run], b: Sequence[Run]) -> str:
    """Why neither side can be called better: one is of a simulated server that no measured machine stands behind.

    Nothing where both are of the same profile: then its settings are compared.
    """
    sides = [{run.manifest.simulation for run in runs} for runs in (a, b)]
    invented = sorted({one.profile for side in sides for one in side if one is not None and not one.measured})
    if not invented or sides[0] == sides[1]:
        return ""
    return (
        f"no real machine stands behind the simulated {' and '.join(one_line(name, 60) for name in invented)}"
    )


def has_good_turn(run: Run) -> bool:
    """Whether a run has a turn that succeeded."""
    return any(turn.ok for turn in run.turns)


def trustworthy(run: Run) -> bool:
    """False where the run said itself that its measurement is not to be trusted, or its journals tell so."""
    return run.manifest.exit_code != UNTRUSTED and validity_of(run).trustworthy


def _side(run: Run, window: str) -> Side:
    load = run.manifest.load
    return Side(run.turns, samples(run.turns, load, window), load is not None and load.own_users)


def _warnings(
    a: Sequence[Run], b: Sequence[Run], found: Sequence[Effect], names: tuple[str, str]
) -> list[str]:
    """What else may be the cause of a difference, and what the intervals do not know."""
    words = [
        f"Not alike: {name} ({one} against {other}): a difference may come from here."
        for name, (one, other) in unlike((a, b), measuring_conditions)
    ]
    sources = [sorted({t.token_source for run in runs for t in run.turns if t.ok}) for runs in (a, b)]
    if sources[0] != sources[1]:
        counted = " against ".join(", ".join(by) or "none" for by in sources)
        words.append(
            f"Tokens are counted differently ({one_line(counted, 80)}): speeds in tokens/s may not compare."
        )
    if any((one.a or 0) != (one.b or 0) for one in found if one.metric == "failed_share"):
        words.append(
            "Turns failed: speeds are of good turns only, and a server that refuses work looks fast."
        )
    words += _other_conversations(a, b, names)
    told = ((name, beyond_limit(runs)) for name, runs in zip(names, (a, b), strict=True))
    words += [f"{name}: {more}." for name, more in told if more is not None]
    unfinished = sum(run.manifest.ended != "done" for run in (*a, *b))
    if unfinished:
        words.append(f"{plural(unfinished, 'run')} did not end by the plan: the slow turns may be missing.")
    return words


def _other_conversations(a: Sequence[Run], b: Sequence[Run], names: tuple[str, str]) -> list[str]:
    """That the sides held different conversations, as one context is shorter: longer prompts were held on one only."""
    found = [[context_use(run.every_turn) for run in runs] for runs in (a, b)]
    left_out = [sum(one.not_held for one in side if one is not None) for side in found]
    trimmed = [sum(one.trimmed for one in side if one is not None) for side in found]
    limits = [
        sorted({one.context.words for run in runs for one in run.manifest.servers if one.context is not None})
        for runs in (a, b)
    ]
    if left_out[0] == left_out[1] and trimmed[0] == trimmed[1]:
        return []
    told = []
    for name, gone, short, limit in zip(names, left_out, trimmed, limits, strict=True):
        takes = f" (it takes {listed(limit)})" if limit else ""
        told.append(
            f"{name}: {plural(gone, 'turn')} not held, {short:,} without their oldest exchanges{takes}"
        )
    return [f"Different conversations were held, as the context was full: {'; '.join(told)}."]


def _how_many(runs: int, *, gate: bool) -> list[str]:
    """What so few runs a side cannot know."""
    if gate and runs < LEAST_BASELINES:
        return [
            f"{plural(runs, 'baseline')}: with {LEAST_BASELINES} and more the gate knows what changes from run to run "
            "(chatload baseline add RUN DIR); until then only what lies beyond the margin is worse."
        ]
    if not gate and runs < LEAST_ROUNDS:
        return [
            f"{plural(runs, 'run')} a side: what changes from one run to the next is in no interval, so no server is "
            f"called better or worse. chatload ab runs both in turns; {LEAST_ROUNDS} rounds and more tell."
        ]
    return []
