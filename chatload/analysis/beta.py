"""The incomplete beta function and what follows from it: the binomial law and Student's. Stdlib only."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache

_STEPS = 500
_EXACT, _NEAR = 1e-14, 1e-13
_TINY = 1e-300


def regularised_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b) = P(Beta(a, b) <= x), by Lentz's continued fraction (Numerical Recipes §6.4)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _fraction(x, a, b) / a
    return 1.0 - math.exp(log_front) * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, _inverse(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = _inverse(1.0 + step * d)
            c = 1.0 + step / c
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1.0) < _EXACT:
            break
    return value


def _inverse(value: float) -> float:
    return 1.0 / (value if abs(value) > _TINY else _TINY)


@cache
def student_quantile(p: float, degrees: float) -> float:
    """The p-quantile (p >= 0.5) of Student's t."""

    def below(t: float) -> float:
        return 1.0 - 0.5 * regularised_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)

    high = 1.0
    while below(high) < p and high < 1e12:
        high *= 2.0
    return bisect_true(lambda t: below(t) >= p, 0.0, high)


@lru_cache(maxsize=4096)
def beta_quantile(p: float, a: float, b: float) -> float:
    """The p-quantile of Beta(a, b); 0 where a <= 0 and 1 where b <= 0, the limits of the law.

    Newton's steps, halving the bracket where one would leave it: some 8 evaluations of the law, bisection needs 60.
    """
    if a <= 0.0:
        return 0.0
    if b <= 0.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(_STEPS):
        error = regularised_beta(x, a, b) - p
        low, high = (low, x) if error >= 0.0 else (x, high)
        density = math.exp(log_front + (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x))
        found = x - error / density if density > 0.0 else math.inf
        if not low < found < high:
            found = (low + high) / 2.0
        if abs(found - x) <= _NEAR * x:
            break
        x = found
    return x


def bisect_true(holds: Callable[[float], bool], low: float, high: float, steps: int = 60) -> float:
    """The least x in [low, high] for which `holds`, where it holds from some x on; `high` if never."""
    for _ in range(steps):
        middle = (low + high) / 2.0
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
