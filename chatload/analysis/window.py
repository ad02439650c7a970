"""The stretch of a run that figures are taken from, chosen by when turns were due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Held(Protocol):
    """What places a turn in a run: whose it was, when it was due, when it ended."""

    @property
    def user(self) -> int:
        """The number of its user."""

    @property
    def due_ns(self) -> int:
        """When it was due, in ns of the run's clock."""

    @property
    def end_ns(self) -> int:
        """When it ended."""


AnyHeld = TypeVar("AnyHeld", bound=Held)


@dataclass(frozen=True, slots=True)
class Window:
    """From one instant to another, both inside. A turn belongs to it by its due: long answers are not cut out."""

    from_ns: int
    until_ns: int

    @property
    def seconds(self) -> float:
        """Its length in s."""
        return (self.until_ns - self.from_ns) / 1e9

    def turns(self, turns: Iterable[AnyHeld]) -> list[AnyHeld]:
        """Those due inside."""
        return [turn for turn in turns if self.from_ns <= turn.due_ns <= self.until_ns]


def all_users_in(turns: Sequence[Held], users: int = 1) -> Window | None:
    """From the last user's first due to the first user's last end; None where users were never all in.

    Before it the server is emptier than the load asks (the ramp), after it again. Users with one turn each, as of
    an open loop, have no such stretch; nor has a run to which fewer than so many `users` came.
    """
    first_due: dict[int, int] = {}
    last_end: dict[int, int] = {}
    for turn in turns:
        user, due_ns, end_ns = turn.user, turn.due_ns, turn.end_ns
        first_due[user] = min(due_ns, first_due.get(user, due_ns))
        last_end[user] = max(end_ns, last_end.get(user, end_ns))
    if len(first_due) == len(turns) or len(first_due) < users:
        return None
    window = Window(max(first_due.values()), min(last_end.values()))
    return window if window.from_ns < window.until_ns else None


def whole_run(turns: Iterable[Held]) -> Window | None:
    """From the first due to the last; None without turns."""
    dues = [turn.due_ns for turn in turns]
    return Window(min(dues), max(dues)) if dues else None
