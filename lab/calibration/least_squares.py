"""Levenberg and Marquardt's search: makes a sum of squares small, with a Jacobian by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Point = list[float]
WIDTH = 0.04
"""Width of the finite differences, relative to a variable's size: wide, as replays jump where a step changes."""
TINY = 1e-9


def least_squares(
    residuals: Callable[[Point], Sequence[float]],
    start: Point,
    *,
    sizes: Point | None = None,
    evaluations: int = 120,
) -> Point:
    """The best point found from `start`, none of whose variables is below 0; `evaluations`: calls of `residuals`.

    `sizes`: of the variables, for those that start at 0 (else the start itself).
    """
    sizes = [size or 1.0 for size in (sizes or start)]
    best, errors = list(start), list(residuals(start))
    calls, damping = 1, 0.03
    while calls + len(best) < evaluations:
        columns = []
        for place, size in enumerate(sizes):
            moved = list(best)
            moved[place] += WIDTH * size
            columns.append([(a - b) / WIDTH for a, b in zip(residuals(moved), errors, strict=True)])
        calls += len(best)
        improved = False
        while not improved and calls < evaluations and damping < 1e4:
            trial = [
                max(0.0, value + step * size)
                for value, step, size in zip(best, _step(columns, errors, damping), sizes, strict=True)
            ]
            found = list(residuals(trial))
            calls += 1
            improved = _dot(found, found) < _dot(errors, errors)
            if improved:
                best, errors = trial, found
            damping *= 0.25 if improved else 4.0
        if not improved:
            break
    return best


def _step(columns: Sequence[Sequence[float]], errors: Sequence[float], damping: float) -> list[float]:
    """Solves (JᵀJ + damping · diag(JᵀJ)) x = −Jᵀ errors by Gauss's elimination."""
    rows = [[_dot(a, b) for b in columns] + [-_dot(a, errors)] for a in columns]
    for place, row in enumerate(rows):
        row[place] += damping * row[place] + TINY
    for place, row in enumerate(rows):  # symmetric and positive: needs no pivots
        for other in rows[place + 1 :]:
            factor = other[place] / row[place]
            other[place:] = [b - factor * a for a, b in zip(row[place:], other[place:], strict=True)]
    found: list[float] = [0.0] * len(rows)
    for place in reversed(range(len(rows))):
        row = rows[place]
        known = _dot(row[place + 1 : -1], found[place + 1 :])
        found[place] = (row[-1] - known) / row[place]
    return found


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
