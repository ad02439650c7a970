"""One side of runs against another: the one comparison that every command, page and file shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from chatload.analysis.comparable import (
    Conditions,
    dialect_of,
    load_conditions,
    measuring_conditions,
    model_of,
    unlike,
)
from chatload.analysis.effects import FAILED_MARGIN, LEAST_ROUNDS, Side, effects, overall
from chatload.analysis.exit_code import UNTRUSTED
from chatload.analysis.goodput import conversations_of
from chatload.analysis.measured_conditions import measured_differences
from chatload.analysis.validity import validity_of
from chatload.loads.chat import ChatLoad
from chatload.model.sanitize import one_line
from chatload.model.verdict import UNDECIDED, ComparisonOutcome, Effect
from chatload.model.words import plural
from chatload.store.journal import Run
from chatload.store.manifest import Manifest

MARGIN: Final = 0.05
"""Differences up to this share are the same."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A. `names` are those of A and B. `not_alike` are conditions that must be alike and are not;
    `differences` are said first too, and forbid no verdict. `forced`: there is a verdict all the same.

    `refused` says why there is no verdict. `untrusted` are runs whose measurement is not to be trusted.
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

    @property
    def failed_margin(self) -> float:
        """Shares of failed turns this near to each other are the same."""
        return FAILED_MARGIN

    @property
    def verdict(self) -> ComparisonOutcome:
        """The verdict over all metrics."""
        return UNDECIDED if self.refused else overall(self.effects)

    def effects_that_are(self, verdict: str) -> list[Effect]:
        """The effects of one verdict."""
        return [one for one in self.effects if one.verdict == verdict]


def compare_runs(
    a: Sequence[Run],
    b: Sequence[Run],
    margin: float = MARGIN,
    *,
    names: tuple[str, str] = ("A", "B"),
    alike: Callable[[Manifest], Conditions] = load_conditions,
    force: bool = False,
) -> Comparison:
    """Compare both sides, the runs of each pooled, each run a stratum.

    Runs that differ in a condition that must be `alike` get no verdict, unless `force`.
    """
    measured = measured_differences(a, b)
    must_be = unlike((a, b), lambda manifest: alike(manifest) | model_of(manifest))
    differing = [*must_be, *((one.name, one.values) for one in measured if one.too_far)]
    may_be = [*unlike((a, b), dialect_of), *((one.name, one.values) for one in measured if not one.too_far)]
    empty = [name for name, runs in zip(names, (a, b), strict=True) if not any(map(_has_good_turn, runs))]
    refused = f"{' and '.join(empty)} has no good turn" if empty else ""
    found: Sequence[Effect] = ()
    if differing and not force:
        refused = f"the runs were not made alike ({', '.join(sorted(name for name, _ in differing))})"
    else:
        found = effects(_side(a), _side(b), margin)
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
        warnings=tuple(_warnings(a, b, found)),
    )


def _unlike_words(names: tuple[str, str], difference: tuple[str, tuple[str, ...]]) -> str:
    name, (one, other) = difference
    return f"not alike: {name}: {names[0]} '{one}', {names[1]} '{other}'"


def _has_good_turn(run: Run) -> bool:
    return any(turn.ok for turn in run.turns)


def trustworthy(run: Run) -> bool:
    """False where the run said itself that its measurement is not to be trusted, or its journals tell so."""
    return run.manifest.exit_code != UNTRUSTED and validity_of(run).trustworthy


def _side(runs: Sequence[Run]) -> Side:
    closed = all(isinstance(run.manifest.load, ChatLoad) for run in runs)
    return Side(tuple(tuple(conversations_of(run.turns)) for run in runs), closed)


def _warnings(a: Sequence[Run], b: Sequence[Run], found: Sequence[Effect]) -> list[str]:
    """What else may be the cause of a difference, and what the intervals do not know."""
    words = [
        f"Not alike: {name} ({one} against {other}): a difference may come from here."
        for name, (one, other) in unlike((a, b), measuring_conditions)
    ]
    sources = [sorted({t.token_source for run in runs for t in run.turns if t.ok}) for runs in (a, b)]
    if sources[0] != sources[1]:
        told = " against ".join(", ".join(names) or "none" for names in sources)
        words.append(
            f"Tokens are counted differently ({one_line(told, 80)}): speeds in tokens/s may not compare."
        )
    if any((one.a or 0) != (one.b or 0) for one in found if one.metric == "failed_share"):
        words.append(
            "Turns failed: speeds are of good turns only, and a server that refuses work looks fast."
        )
    unfinished = sum(run.manifest.ended != "done" for run in (*a, *b))
    if unfinished:
        words.append(f"{plural(unfinished, 'run')} did not end by the plan: the slow turns may be missing.")
    least = min(len(a), len(b))
    if least < LEAST_ROUNDS:
        words.append(
            f"{plural(least, 'run')} a side: what changes from one run to the next is in no interval. "
            f"python -m chatload ab runs both in turns; {LEAST_ROUNDS} rounds show it."
        )
    return words
