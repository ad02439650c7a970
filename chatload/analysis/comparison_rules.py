"""When runs differ: one run a side, a new run against stored ones, and rounds taken in turn (docs/statistics.md).

All rules work on ln(figure): a difference of logs is a ratio. A run's own standard error comes from blocks of its
time (`block_interval`) and cannot know what changes from run to run. So one run a side never says that a server is
better; a set of runs a side can.
With m figures each rule is asked at the level 1 - 0.05 / m (Bonferroni): all m hold together in 95 of 100 cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance

from chatload.analysis.beta import student_quantile
from chatload.analysis.block_interval import Estimate
from chatload.model.verdict import CANNOT_TELL, DIFFER, SAME

LESS, MORE = "less", "more"
LEAST_ROUNDS = 3
"""From so many rounds a side on, `rounds` may say less or more."""
LEAST_BASELINES = 4
"""From so many stored runs on, their own scatter is known well enough for a prediction interval."""


@dataclass(frozen=True, slots=True)
class RunFigure:
    """A figure of one run: ln of its value, the standard error of that, the degrees of freedom of the error.

    The error is NaN where the run is too short to know it.
    """

    log: float
    log_se: float
    degrees: float

    @classmethod
    def of(cls, estimate: Estimate) -> RunFigure:
        """The figure of an estimate; its value must be positive and finite."""
        return cls(math.log(estimate.value), estimate.log_se, estimate.degrees)


@dataclass(frozen=True, slots=True)
class Compared:
    """A verdict on B / A with the interval of the ratio.

    `longer`: about how many times as long a run decides, where nothing is decided: (reach / (|d| - margin))^2 with
    d = ln(ratio); inf where d lies on the margin.
    """

    ratio: float
    low: float
    high: float
    verdict: str
    longer: float | None = None


def family_level(figures: int) -> float:
    """The level at which each of so many figures is asked, so that all hold together in 95 of 100 cases."""
    return 1.0 - 0.05 / figures


def one_run_a_side(a: RunFigure, b: RunFigure, margin: float, level: float) -> Compared:
    """the same / differ / cannot tell of two runs.

    Welch: d +- t * sqrt(se_A^2 + se_B^2), degrees of freedom by Satterthwaite. "the same": the interval is inside
    1 / (1 + margin) ... 1 + margin. "differ": it lies wholly outside. What changes from run to run is not in it.
    """
    total, degrees = _sum_of_variances([(a.log_se**2, a.degrees), (b.log_se**2, b.degrees)])
    return _compared(b.log - a.log, _reach(total, degrees, level), margin)


@dataclass(frozen=True, slots=True)
class Checked:
    """A new run against stored ones: `ratio` to their mean; `alarm`: it is worse than `limit` (a ratio) allows."""

    ratio: float
    limit: float
    alarm: bool


def against_baselines(
    baselines: Sequence[RunFigure], new: RunFigure, margin: float, level: float, *, more_is_better: bool
) -> Checked:
    """Whether a new run is worse than k stored ones allow.

    With k >= 4: worse by more than t(1 - alpha) * sqrt(V * (1 + 1/k)), V = max(s^2, w): s^2 the variance of the k
    logs (k - 1 degrees of freedom), w the mean of all k + 1 squared errors (the sum of their degrees); no alarm
    where the difference is within the margin with certainty. Runs too short for an error of their own have w = 0. With
    fewer: Welch with the runs' own errors, and worse
    by more than the margin on top of that, since run-to-run scatter is not known. One-sided, alpha = 1 - level.
    """
    k = len(baselines)
    sign = -1.0 if more_is_better else 1.0
    worse = sign * (new.log - fmean(one.log for one in baselines))
    edge = math.log1p(margin)
    if k < LEAST_BASELINES:
        parts = [(one.log_se**2 / k**2, one.degrees) for one in baselines]
        total, degrees = _sum_of_variances([*parts, (new.log_se**2, new.degrees)])
        limit = edge + _one_sided(degrees, level) * math.sqrt(total)
        return Checked(math.exp(sign * worse), math.exp(sign * limit), worse > limit)
    within = _known(fmean(one.log_se**2 for one in [*baselines, new]))
    between = variance([one.log for one in baselines])
    spread, degrees = (between, k - 1.0)
    if between < within:
        spread, degrees = within, sum(one.degrees for one in [*baselines, new])
    limit = _one_sided(degrees, level) * math.sqrt(spread * (1.0 + 1.0 / k))
    surely_within = worse + limit <= edge
    return Checked(math.exp(sign * worse), math.exp(sign * limit), worse > limit and not surely_within)


def rounds(a: Sequence[RunFigure], b: Sequence[RunFigure], margin: float, level: float) -> Compared:
    """Rounds of A and B taken in turn: the mean of the rounds' ln(B / A).

    V = max(e, s^2 / R): e = sum of the 2R squared errors / R^2, s^2 the variance of the R differences; degrees of
    freedom V^2 / ((s^2/R)^2 / (R - 1) + e^2 / sum of the runs' degrees). "the same" where the interval is within the
    margin; "less" or "more" where it excludes no difference and R >= 3; with fewer rounds "differ" as of one run.
    Runs too short for an error of their own have e = 0.
    """
    r = len(a)
    differences = [mine.log - theirs.log for theirs, mine in zip(a, b, strict=True)]
    centre = fmean(differences)
    own = _known(sum(one.log_se**2 for one in (*a, *b)) / r**2)
    own_degrees = sum(one.degrees for one in (*a, *b))
    if r < 2:
        return one_run_a_side(a[0], b[0], margin, level)
    scatter = variance(differences) / r
    total = max(own, scatter)
    parts = scatter**2 / (r - 1) + (own**2 / own_degrees if own > 0 else 0.0)
    degrees = total**2 / parts if 0 < parts < math.inf else max(own_degrees, r - 1.0)
    reach = _reach(total, degrees, level)
    found = _compared(centre, reach, margin)
    if r < LEAST_ROUNDS or found.verdict == SAME or abs(centre) <= reach:
        return found
    return replace(found, verdict=MORE if centre > 0 else LESS, longer=None)


def difference_of_shares(a: Estimate, b: Estimate) -> tuple[float, float]:
    """The interval of share B - share A from the intervals of both (MOVER: Zou & Donner 2008, Stat Med 27:1693)."""
    assert a.low is not None and a.high is not None and b.low is not None and b.high is not None
    d = b.value - a.value
    return (
        d - math.hypot(b.value - b.low, a.high - a.value),
        d + math.hypot(b.high - b.value, a.value - a.low),
    )


def _compared(d: float, reach: float, margin: float) -> Compared:
    edge, ends = math.log1p(margin), (math.exp(d), math.exp(d - reach), math.exp(d + reach))
    if abs(d) + reach <= edge:
        return Compared(*ends, SAME)
    if abs(d) - reach > edge:
        return Compared(*ends, DIFFER)
    distance = abs(abs(d) - edge)
    return Compared(*ends, CANNOT_TELL, (reach / distance) ** 2 if distance > 0 else math.inf)


def _known(value: float) -> float:
    """0 for a variance that runs are too short to know."""
    return 0.0 if math.isnan(value) else value


def _sum_of_variances(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of (variance, degrees of freedom), and its degrees by Satterthwaite."""
    total = sum(value for value, _ in parts)
    below = sum(value**2 / degrees for value, degrees in parts)
    if not math.isfinite(total) or below <= 0:
        return total, min(degrees for _, degrees in parts)
    return total, total**2 / below


def _reach(total: float, degrees: float, level: float) -> float:
    return student_quantile(1.0 - (1.0 - level) / 2.0, degrees) * math.sqrt(total)


def _one_sided(degrees: float, level: float) -> float:
    return student_quantile(level, degrees)
