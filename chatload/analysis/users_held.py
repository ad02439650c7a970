"""With how many users the load generator still measured truly, where it could not keep up with all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict

from chatload.analysis.mark_bounds import MOST_SPOILED, is_spoiled
from chatload.analysis.series import users_in
from chatload.store.journal import Run

MOST_LAGGING = 0.01
"""Share of the time with a lag over 20 ms beyond which user-space stamps cannot be trusted (p99 lag over 20 ms)."""


def users_held(run: Run) -> int | None:
    """The most users with whom the load generator kept up; None where that is all of them, or no number is known.

    Of the time with at most so many users in, its processes lagged by more than 20 ms in 1 % or less, and of the turns
    due in it 1 % or less are marked. A second counts for the users in at its beginning.
    """
    instants, levels = users_in(run)
    lagging_ms: defaultdict[int, float] = defaultdict(float)
    seconds: defaultdict[int, float] = defaultdict(float)
    turns: Counter[int] = Counter()
    marked: Counter[int] = Counter()

    def users_at(at_ns: int) -> int:
        place = bisect_right(instants, at_ns)
        return levels[place - 1] if place else 0

    for line in run.health:
        users = users_at(line.at_ns - round(1e9 * (line.seconds or 1.0)))
        seconds[users] += line.seconds or 1.0
        lagging_ms[users] += line.lagging_ms or 0.0
    for turn in run.turns:
        if turn.counts:
            users = users_at(turn.due_ns)
            turns[users] += 1
            marked[users] += is_spoiled(turn)
    held, ms, s, spoiled, all_turns = 0, 0.0, 0.0, 0, 0
    for users in sorted({*seconds, *turns}):
        ms, s = ms + lagging_ms[users], s + seconds[users]
        spoiled, all_turns = spoiled + marked[users], all_turns + turns[users]
        if s and all_turns and ms <= MOST_LAGGING * 1000 * s and spoiled <= MOST_SPOILED * all_turns:
            held = users
    return held if 0 < held < max(levels, default=0) else None
