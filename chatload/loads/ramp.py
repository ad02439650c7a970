"""The ramp: when each user starts."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RampSegment:
    """Users `first_user`, `first_user + 1`, … start from `start_ns` on, one every 1/`users_per_s` s.

    A run has one segment; each edit of the number of users in the web UI adds another.
    """

    first_user: int
    start_ns: int
    users_per_s: float

    def due_ns(self, user: int) -> int:
        """due = start + (user − first_user) / users_per_s, as in JMeter's ramp-up."""
        return self.start_ns + round((user - self.first_user) * 1e9 / self.users_per_s)


def due_ns(segments: list[RampSegment], user: int) -> int:
    """When `user` is due, by the last segment that begins at or before this user. There must be a segment."""
    fitting = [segment for segment in segments if segment.first_user <= user]
    return (fitting[-1] if fitting else segments[0]).due_ns(user)


def with_unused_numbers(segment: RampSegment, local_users: int, position: int, workers: int) -> RampSegment:
    """The segment for a worker that has started `local_users` users so far.

    Locust numbers users by how many run now; here no number is used twice. After users were stopped, a new ramp
    therefore begins with the first unused number, not with Locust's.
    """
    if abs(global_user(local_users, position, workers) - segment.first_user) < workers:
        return segment
    return replace(segment, first_user=global_user(local_users, 0, workers))


def global_user(local_user: int, position: int, workers: int) -> int:
    """The run-wide number of a worker's user: Locust assigns users to workers round robin."""
    return local_user * workers + position
