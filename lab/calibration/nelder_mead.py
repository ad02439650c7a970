"""Nelder and Mead's simplex search (1965): minimises a function of a few variables without derivatives."""

from __future__ import annotations

from collections.abc import Callable

Point = list[float]


def nelder_mead(
    loss: Callable[[Point], float], start: Point, step: float = 0.15, evaluations: int = 300
) -> Point:
    """The best point found from `start`; the first simplex is `step` (relative) wide.

    Reflection 1, expansion 2, contraction and shrink 1/2; stops after `evaluations` calls of `loss`.
    """
    simplex = [list(start)]
    for place in range(len(start)):
        corner = list(start)
        corner[place] = corner[place] * (1 + step) if corner[place] else step
        simplex.append(corner)
    ranked = sorted(((loss(point), point) for point in simplex), key=lambda pair: pair[0])
    calls = len(ranked)
    while calls < evaluations:
        worst, last = ranked[-1]
        rest = [point for _value, point in ranked[:-1]]
        middle = [sum(values) / len(rest) for values in zip(*rest, strict=True)]

        def along(factor: float, middle: Point = middle, last: Point = last) -> tuple[float, Point]:
            point = [m + factor * (m - w) for m, w in zip(middle, last, strict=True)]
            return loss(point), point

        trial = along(1.0)
        calls += 1
        if trial[0] < ranked[0][0]:
            further = along(2.0)
            calls += 1
            trial = min(trial, further, key=lambda pair: pair[0])
        elif trial[0] >= ranked[-2][0]:
            trial = along(0.5 if trial[0] < worst else -0.5)
            calls += 1
        if trial[0] < worst:
            ranked[-1] = trial
        else:
            best = ranked[0][1]
            nearer = [[(b + p) / 2 for b, p in zip(best, point, strict=True)] for _v, point in ranked[1:]]
            ranked = [ranked[0], *((loss(point), point) for point in nearer)]
            calls += len(nearer)
        ranked.sort(key=lambda pair: pair[0])
    return ranked[0][1]
