"""The ramp: when each user comes in."""

from __future__ import annotations

from dataclasses import dataclass, replace


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


def among_new_users(segment: RampSegment, local_users: int, position: int, workers: int) -> RampSegment:
    """The segment as it must be told to a worker that has had `local_users` users already.

    Locust counts the users who are in; ours have numbers that are never given again. After users were
    taken out, a new ramp's first user is not the one Locust says but the first who never was.
    """
    if abs(global_user(local_users, position, workers) - segment.first_user) < workers:
        return segment
    return replace(segment, first_user=global_user(local_users, 0, workers))


def global_user(local_user: int, position: int, workers: int) -> int:
    """The run-wide number of a worker's own user: Locust deals users out to workers round robin."""
    return local_user * workers + position
