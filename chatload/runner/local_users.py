"""Whether any user of this process can still act, told by the state of Locust's users and not by timeouts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LocalUsers:
    """Locust's users of a process at one moment. Ours stay when they have left: Locust would start others instead.

    `wanted`: how many it was told to run. `living`: whose greenlet has not ended. `acting`: those of ours among
    them that have not left; one that thinks for hours or waits for a reply acts.
    """

    wanted: int
    living: int
    acting: int
    spawning: bool

    @property
    def is_over(self) -> bool:
        """True when no user can act any more, and none will come."""
        return self.wanted > 0 and not self.spawning and not self.acting

    @property
    def vanished(self) -> int:
        """Users that ended, although those of ours stay until they are stopped."""
        return max(0, self.wanted - self.living)

    @property
    def words(self) -> str:
        """Why a run with these users is over before its plan is done."""
        few = f"{self.vanished} of {self.wanted} users"
        return f"{few} never came or ended with turns left to hold, and no other user can act"
