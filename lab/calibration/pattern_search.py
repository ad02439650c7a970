"""Pattern search: makes a distance small by moving one variable at a time, for distances that jump and have noise."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

Point = tuple[float, ...]
FIRST, LAST = 0.2, 0.02
"""Relative steps: the first one, and the one after which the search ends."""


def pattern_search(
    distance: Callable[[Point, float], float],
    start: Point,
    *,
    sizes: Point,
    until_s: float,
    say: Callable[[str, Point], None] = lambda line, best: None,
) -> Point:
    """The best point found from `start`, none of whose variables is below 0.

    `distance(point, enough)` may stop as soon as it is above `enough`. Each round moves every variable up, or else
    down, by the step times its value (at least a quarter of its size) and keeps what is better; after a round that
    gains less than 1 % the step is halved. Ends after the smallest step, or at `until_s` of time.monotonic().
    """
    best, least, step = start, distance(start, math.inf), FIRST
    say(f"distance {least:.2f} at the start", best)
    while step >= LAST:
        before = least
        for place, size in enumerate(sizes):
            width = step * max(best[place], 0.25 * size)
            for change in (width, -width):
                if time.monotonic() > until_s:
                    say(f"distance {least:.2f}, step {step:.1%}: the time is over", best)
                    return best
                moved = (*best[:place], max(0.0, best[place] + change), *best[place + 1 :])
                found = distance(moved, least)
                if found < least:
                    best, least = moved, found
                    break
        say(f"distance {least:.2f}, step {step:.1%}", best)
        if least > 0.99 * before:
            step /= 2
    return best
