"""Pattern search: makes a distance small by moving variables up and down, for distances that jump and have noise."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool

Point = tuple[float, ...]
Distance = Callable[[Point, float], float]
FIRST, LAST = 0.2, 0.02
"""Relative steps: the first one, and the one after which the search ends."""


def pattern_search(
    distance: Distance,
    start: Point,
    *,
    sizes: Point,
    until_s: float,
    processes: int = 1,
    say: Callable[[str, Point], None] = lambda line, best: None,
) -> Point:
    """The best point found from `start`, none of whose variables is below 0.

    `distance(point, enough)` may stop as soon as it is above `enough`; so many forked processes compute it. Each round
    moves every variable up and down, by the step times its value (at least a quarter of its size), then makes the two,
    three, ... moves that gained most together, and keeps the best of all these points. After a round that gains less
    than 1 % the step is halved. Ends after the smallest step, or at `until_s` of time.monotonic(). The number of
    processes changes the result only where the time ends the search.
    """
    best, least, step = start, distance(start, math.inf), FIRST
    say(f"distance {least:.2f} at the start", best)
    with multiprocessing.get_context("fork").Pool(processes, _set_distance, (distance,)) as pool:
        while step >= LAST:
            origin, before = best, least
            try:
                single = _single_moves(origin, sizes, step)
                found = sorted(zip(_distances(pool, single, before, until_s), single, strict=True))
                least, best = min((least, best), found[0])
                joint = _joint_moves(origin, [point for each, point in found if each < before])
                together = _distances(pool, joint, before, until_s)
                least, best = min([(least, best), *zip(together, joint, strict=True)])
            except multiprocessing.TimeoutError:
                say(f"distance {least:.2f}, step {step:.1%}: the time is over", best)
                return best
            say(f"distance {least:.2f}, step {step:.1%}", best)
            if least > 0.99 * before:
                step /= 2
    return best


def _single_moves(origin: Point, sizes: Point, step: float) -> list[Point]:
    widths = [step * max(value, 0.25 * size) for value, size in zip(origin, sizes, strict=True)]
    return [
        (*origin[:place], max(0.0, origin[place] + change), *origin[place + 1 :])
        for place, width in enumerate(widths)
        for change in (width, -width)
    ]


def _joint_moves(origin: Point, gaining: Sequence[Point]) -> list[Point]:
    """The first two of these moves in one point, the first three, ...: of both ways of a variable the better one."""
    joint = [origin]
    for point in gaining:
        pairs = zip(origin, joint[-1], point, strict=True)
        joint.append(tuple(there if there != was else new for was, there, new in pairs))
    return joint[2:]


_distance: Distance
"""Of the process that computes it."""


def _set_distance(distance: Distance) -> None:
    global _distance
    _distance = distance


def _distance_of(point: Point, enough: float) -> float:
    return _distance(point, enough)


def _distances(pool: Pool, points: Sequence[Point], enough: float, until_s: float) -> list[float]:
    """The distance of each point; TimeoutError at `until_s`."""
    found = pool.starmap_async(_distance_of, [(point, enough) for point in points], chunksize=1)
    return found.get(max(0.0, until_s - time.monotonic()))
