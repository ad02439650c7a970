"""A sweep's levels: tokens/s of all requests in flight together, and of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chatload.model.summary import Summary
from chatload.model.turn import Turn
from chatload.render.text_table import number, section, table
from chatload.store.journal import Run

LEVEL = re.compile(r"level ([1-9][0-9]{0,6})")
"""How a sweep names the group of its turns."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level, from its first due to its last end.

    `tokens_per_s` = tokens of its good turns / its length. `held` = mean number of requests in flight =
    sum of (end - sent) / its length: below `in_flight` where the last requests of a level end one by one.
    """

    in_flight: int
    seconds: float
    turns: int
    good: int
    tokens_per_s: float | None
    held: float

    @property
    def a_user(self) -> float:
        """tokens/s of one user: total / in flight."""
        return (self.tokens_per_s or 0.0) / self.in_flight


def levels_of(run: Run) -> list[Level]:
    """The levels of a sweep, the fewest in flight first; none where the run is no sweep."""
    groups: dict[int, list[Turn]] = {}
    for turn in run.turns:
        if found := LEVEL.fullmatch(turn.group):
            groups.setdefault(int(found[1]), []).append(turn)
    return [_level(in_flight, turns) for in_flight, turns in sorted(groups.items())]


def _level(in_flight: int, turns: Sequence[Turn]) -> Level:
    seconds = (max(turn.end_ns for turn in turns) - min(turn.due_ns for turn in turns)) / 1e9
    good = [turn for turn in turns if turn.ok]
    busy_s = sum((turn.end_ns - turn.sent_ns) / 1e9 for turn in turns if turn.sent_ns is not None)
    return Level(
        in_flight=in_flight,
        seconds=seconds,
        turns=len(turns),
        good=len(good),
        tokens_per_s=sum(turn.tokens or 0 for turn in good) / seconds if good and seconds > 0 else None,
        held=busy_s / seconds if seconds > 0 else 0.0,
    )


def levels_section(run: Run, summary: Summary) -> list[str]:
    """The part of the report on a sweep: the article's last table. Nothing where the run is no sweep."""
    levels = levels_of(run)
    if not levels:
        return []
    rows = [["in flight", "held", "good turns", "tokens/s, all", "tokens/s, each", "all, times the first"]]
    first = next((level.tokens_per_s for level in levels if level.tokens_per_s), None)
    for level in levels:
        gain = level.tokens_per_s / first if first and level.tokens_per_s else None
        rows.append([
            f"{level.in_flight:,}", number(level.held), f"{level.good:,} of {level.turns:,}",
            number(level.tokens_per_s), number(level.a_user if level.tokens_per_s else None), number(gain),
        ])  # fmt: skip
    return section("Levels: tokens/s by requests in flight", table(rows, left=0))
