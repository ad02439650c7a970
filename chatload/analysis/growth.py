"""Whether users, or requests, pile up: how many are in the system at the beginning and at the end of a window.

Where arrivals come at a rate, a server that cannot keep up serves ever more at once. Its figures then depend on how
long the run is, and no limit that holds in a short window holds in a longer one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chatload.analysis.window import Held, Window
from chatload.model.turn import Turn
from chatload.model.verdict import MET, MISSED, SloOutcome

ONE_SIDED_Z, SURE_Z = 1.645, 3.0
"""95 %, one side; and 99.9 %: a search tries ten levels or more, and one that it takes for unstable ends it below."""
MOST_STAYING = 0.2
"""A window in which a greater share of those who arrive could stay for good is too short to call a server stable."""
PART = 4
"""The first and the last of so many parts of a window are compared."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Mean numbers in the system in the first and the last quarter of a window, and arrivals between their middles.

    Several windows add up. In a stable system the two are independent numbers of Poisson's law at most, so that their
    difference has a standard deviation of sqrt(first + last).
    """

    first: float = 0.0
    last: float = 0.0
    arrived: float = 0.0

    def __add__(self, other: Growth) -> Growth:
        return Growth(self.first + other.first, self.last + other.last, self.arrived + other.arrived)

    @property
    def noise(self) -> float:
        """The difference that chance alone exceeds in 5 of 100 stable windows."""
        return ONE_SIDED_Z * math.sqrt(self.first + self.last)

    @property
    def grows(self) -> bool:
        """Whether more are there at the end than chance explains."""
        return self.last - self.first > max(1.0, self.noise)

    @property
    def surely_grows(self) -> bool:
        """Whether chance explains it in one of a thousand stable windows only."""
        return self.last - self.first > max(1.0, self.noise * SURE_Z / ONE_SIDED_Z)

    @property
    def is_shown_stable(self) -> bool:
        """Whether at most a fifth of those who arrive can be staying, with 95 %."""
        return not self.grows and self.last - self.first + self.noise <= MOST_STAYING * self.arrived


def telling_s(arrivals_per_s: float, stay_s: float, windows: int) -> float:
    """How long (s) each of so many windows must be, so that a stable system is shown to be one half as long again.

    With n = arrivals_per_s · stay_s in the system, the noise of all windows is 1.645 · sqrt(2 · n · windows), and the
    arrivals between the middles of the first and the last quarter are arrivals_per_s · 3/4 T · windows.
    """
    noise = ONE_SIDED_Z * math.sqrt(2.0 * arrivals_per_s * stay_s * windows)
    return 1.5 * noise / (MOST_STAYING * arrivals_per_s * (1.0 - 1.0 / PART) * windows)


def growth(stays: Iterable[tuple[int, int]], window: Window) -> Growth:
    """The growth over a window of stays: (from, until) of each who was in the system, in ns."""
    known = list(stays)
    part_ns = (window.until_ns - window.from_ns) / PART
    if part_ns <= 0:
        return Growth()
    later_ns = window.until_ns - part_ns
    middle_ns = part_ns / 2
    arrived = sum(window.from_ns + middle_ns <= begin < window.until_ns - middle_ns for begin, _ in known)
    return Growth(
        _mean_present(known, window.from_ns, part_ns), _mean_present(known, later_ns, part_ns), float(arrived)
    )


def _mean_present(stays: Sequence[tuple[int, int]], from_ns: float, length_ns: float) -> float:
    until_ns = from_ns + length_ns
    inside = (min(end, until_ns) - max(begin, from_ns) for begin, end in stays)
    return sum(one for one in inside if one > 0) / length_ns


def stays_of_users(
    turns: Iterable[Held], last_turns: Mapping[int, bool], until_ns: int
) -> list[tuple[int, int]]:
    """(first due, last end) of each user; of one who has more turns to hold, until the end of the window.

    `last_turns[user]`: whether its last turn was held.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for turn in turns:
        first[turn.user] = min(turn.due_ns, first.get(turn.user, turn.due_ns))
        last[turn.user] = max(turn.end_ns, last.get(turn.user, turn.end_ns))
    return [
        (begin, last[user] if last_turns.get(user, True) else max(last[user], until_ns))
        for user, begin in first.items()
    ]


def level_growth(turns: Sequence[Turn], of_each: int, window: Window) -> Growth:
    """The growth of visitors who hold conversations of so many turns."""
    last = {turn.user: turn.turn for turn in sorted(turns, key=lambda one: one.turn)}
    return growth(
        stays_of_users(turns, {user: n >= of_each for user, n in last.items()}, window.until_ns), window
    )


def with_growth(outcome: SloOutcome, sure: bool, found: Growth) -> tuple[SloOutcome, bool]:
    """(verdict, whether it is sure) of SLOs that were judged, where users may pile up.

    A server on which they do has missed them, as it would have in a longer window; surely where chance hardly explains
    it. Where the window is too short to tell, met is not sure.
    """
    if outcome != MET:
        return outcome, sure
    if found.grows:
        return MISSED, found.surely_grows
    return outcome, sure and found.is_shown_stable
