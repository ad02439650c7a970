"""The ramp: when each user comes in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RampSegment:
    """Users `first_user`, `first_user + 1`, … come in from `start_ns` on, one every 1/rate seconds.

    A run has one segment; each edit of the number of users in the web UI adds another.
    """

    first_user: int
    start_ns: int
    users_per_s: float

    def due_ns(self, user: int) -> int:
        """due = start + (user − first_user) / rate: JMeter's ramp-up, one by one."""
        return self.start_ns + round((user - self.first_user) * 1e9 / self.users_per_s)


def due_ns(segments: list[RampSegment], user: int) -> int:
    """When `user` is due, by the last segment that begins at or before it. Raises on no segment."""
    fitting = [segment for segment in segments if segment.first_user <= user]
    return (fitting[-1] if fitting else segments[0]).due_ns(user)


def global_user(local_user: int, position: int, workers: int) -> int:
    """The run-wide number of a worker's own user: Locust deals users out to workers round robin."""
    return local_user * workers + position
