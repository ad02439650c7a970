"""Arrivals by rate: how many came, how many were done, and whether they pile up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatload.analysis.growth import Growth, growth, stays_of_users
from chatload.analysis.window import Window
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.rate_steps import step_ends_s
from chatload.loads.visitors import VisitorsLoad
from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.store.journal import Run


@dataclass(frozen=True, slots=True)
class RateStage:
    """One rate of a run: `arrived` came and `done` went within `seconds`, in 1/s `asked` on average.

    `growth` tells of those in the system; None where the rate itself changes within the stage.
    """

    words: str
    seconds: float
    asked: float
    arrived: int
    done: int
    growth: Growth | None


def rate_stages(run: Run) -> list[RateStage]:
    """The rates of a run whose arrivals have some, in order; the warm-up is no part of the first."""
    load, turns = run.manifest.load, run.every_turn
    if not isinstance(load, OpenLoopLoad | VisitorsLoad) or not load.rate_steps or not turns:
        return []
    zero_ns = _begin_ns(run, load)
    ends_ns = [zero_ns + round(end_s * 1e9) for end_s in step_ends_s(load.rate_steps)]
    stays = _stays(turns, load, ends_ns[-1])
    warm_ns = max((turn.due_ns + 1 for turn in run.warmup), default=zero_ns)
    found = []
    for step, (begin_ns, end_ns) in zip(load.rate_steps, pairwise([zero_ns, *ends_ns]), strict=True):
        window = Window(max(begin_ns, warm_ns), end_ns)
        if window.from_ns >= window.until_ns:
            continue
        found.append(
            RateStage(
                step.words,
                window.seconds,
                (step.first + step.last) / 2.0,
                sum(window.from_ns <= begin < end_ns for begin, _ in stays),
                sum(window.from_ns <= end < end_ns for _, end in stays),
                growth(stays, window) if step.first == step.last else None,
            )
        )
    return found


def visitors_growth(run: Run) -> Growth | None:
    """The growth of visitors at one rate; None for every other load."""
    load = run.manifest.load
    if not isinstance(load, VisitorsLoad) or load.in_parts:
        return None
    stages = rate_stages(run)
    return stages[0].growth if stages else None


def piled_up(run: Run, summary: Summary) -> Iterator[str]:
    """That the server did not keep up with a rate."""
    who = "visitors" if isinstance(run.manifest.load, VisitorsLoad) else "requests"
    for one in rate_stages(run):
        if one.growth is not None and one.growth.grows:
            yield (
                f"At {one.words} {who} pile up: {growth_words(one.growth)}. The server does not keep up with that "
                "rate, so every figure of it depends on how long the run is: all it says is that it is too much."
            )


def growth_words(found: Growth) -> str:
    """12.3 to 45.0 at once."""
    return f"{found.first:.1f} at once in the first quarter of the time, {found.last:.1f} in the last"


def _begin_ns(run: Run, load: OpenLoopLoad | VisitorsLoad) -> int:
    """When the first rate began: the first arrival, less its time in the schedule."""
    seed = run.manifest.plan.drawn_by if run.manifest.plan is not None else 1
    return min(turn.due_ns for turn in run.every_turn) - load.spacing.stepped(load.rate_steps, seed)[0]


def _stays(turns: Sequence[Turn], load: OpenLoopLoad | VisitorsLoad, until_ns: int) -> list[tuple[int, int]]:
    if isinstance(load, OpenLoopLoad):
        return [(turn.due_ns, turn.end_ns) for turn in turns]
    held = Counter(turn.user for turn in turns if turn.code != "interrupted")
    return stays_of_users(turns, {user: n >= load.turns for user, n in held.items()}, until_ns)
