"""The stretch of a run that figures are taken from, chosen by when turns were due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatload.model.turn import Turn


@dataclass(frozen=True, slots=True)
class Window:
    """From one instant to another, both inside. A turn belongs to it by its due: long answers are not cut out."""

    from_ns: int
    until_ns: int

    def turns(self, turns: Sequence[Turn]) -> list[Turn]:
        """Those due inside."""
        return [turn for turn in turns if self.from_ns <= turn.due_ns <= self.until_ns]


def all_users_in(turns: Sequence[Turn]) -> Window | None:
    """From the last user's first due to the first user's last end; None where users were never all in.

    Before it the server is emptier than the load asks (the ramp), after it again. Users with one turn each, as of
    an open loop, have no such stretch.
    """
    first_due: dict[int, int] = {}
    last_end: dict[int, int] = {}
    for turn in turns:
        first_due[turn.user] = min(turn.due_ns, first_due.get(turn.user, turn.due_ns))
        last_end[turn.user] = max(turn.end_ns, last_end.get(turn.user, turn.end_ns))
    if len(first_due) == len(turns):
        return None
    window = Window(max(first_due.values()), min(last_end.values()))
    return window if window.from_ns < window.until_ns else None


def whole_run(turns: Sequence[Turn]) -> Window | None:
    """From the first due to the last; None without turns."""
    dues = [turn.due_ns for turn in turns]
    return Window(min(dues), max(dues)) if dues else None
