"""The levels of a sweep: tokens/s of all requests in flight together, and of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatload.loads.sweep import SweepLoad, group_of
from chatload.model.turn import Turn
from chatload.store.journal import Run


@dataclass(frozen=True, slots=True)
class SweepLevel:
    """One level, from its first due to its last end.

    `tokens_per_s` = tokens of its good turns / its length. `held` = mean number of requests in flight =
    sum of (end - sent) / its length: below `in_flight` where the last requests of a level end one by one.
    """

    in_flight: int
    turns: int
    good: int
    tokens_per_s: float | None
    held: float

    @property
    def a_user(self) -> float:
        """tokens/s of one user: total / in flight."""
        return (self.tokens_per_s or 0.0) / self.in_flight


def sweep_levels(run: Run) -> list[SweepLevel]:
    """The levels of a sweep that were held, the fewest in flight first; none where the run is no sweep."""
    load = run.manifest.load
    if not isinstance(load, SweepLoad):
        return []
    groups: dict[str, list[Turn]] = {}
    for turn in run.turns:
        groups.setdefault(turn.group, []).append(turn)
    levels = sorted(set(load.levels))
    return [_level(level, groups[group]) for level in levels if (group := group_of(level)) in groups]


def _level(in_flight: int, turns: Sequence[Turn]) -> SweepLevel:
    seconds = (max(turn.end_ns for turn in turns) - min(turn.due_ns for turn in turns)) / 1e9
    good = [turn for turn in turns if turn.ok]
    busy_s = sum((turn.end_ns - turn.sent_ns) / 1e9 for turn in turns if turn.sent_ns is not None)
    return SweepLevel(
        in_flight=in_flight,
        turns=len(turns),
        good=len(good),
        tokens_per_s=sum(turn.tokens or 0 for turn in good) / seconds if good and seconds > 0 else None,
        held=busy_s / seconds if seconds > 0 else 0.0,
    )
