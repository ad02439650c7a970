"""Why a verdict on an SLO is not sure, and what would make it so, in the unit that is missing."""

from __future__ import annotations

import math

from chatload.analysis.block_interval import Estimate, share_ends
from chatload.analysis.sample import Sample
from chatload.loads.load_shape import Load
from chatload.model.slo import Objective

UNKNOWN = Load()
"""Where the manifest holds no load, or a level of a search is judged."""
TOO_CLOSE = 100.0
"""A run so many times as long is no advice any more."""
STEP = 1.1


def cure(asked: Objective, estimate: Estimate | None, limit: float, sample: Sample, load: Load | None) -> str:
    """Why the verdict by this estimate is not sure, and about how much longer a run would be that is.

    The interval shrinks with 1 / sqrt(time): factor (ln(end / value) / ln(limit / value))^2, end on the limit's side.
    """
    if estimate is None:
        return f"{sample.too_short}: {(load or UNKNOWN).longer_run}"
    above = limit >= estimate.value
    end = estimate.high if above else estimate.low
    if end is None or math.isinf(end):
        side = "upper" if above == (asked.kind == "share" or asked.at_most) else "lower"
        longer = _factor_for_an_end(asked, estimate, above=above)
        return f"too few turns for an {side} end of the interval: {_longer(longer, sample, load)}"
    return f"the interval holds the limit: {_longer(_factor(asked, estimate, end, limit), sample, load)}"


def _factor(asked: Objective, estimate: Estimate, end: float, limit: float) -> float:
    """How many times as long decides; inf where the value is the limit."""
    value = estimate.value
    if asked.kind == "share":
        if value in (0.0, 1.0):  # the end moves to it with 1 / n
            return abs(end - value) / abs(limit - value) if limit != value else math.inf
        reach, distance = abs(end - value), abs(limit - value)
    elif value == 0.0 or limit == 0.0 or end / value <= 0.0:
        return math.inf
    else:
        reach, distance = abs(math.log(end / value)), abs(math.log(limit / value))
    return (reach / distance) ** 2 if distance > 0.0 else math.inf


def _factor_for_an_end(asked: Objective, estimate: Estimate, *, above: bool) -> float:
    """The least factor (of steps of 10 %) with which the percentile has that end."""
    factor = STEP
    while factor < TOO_CLOSE:
        n = round(estimate.n * factor)
        low, high = share_ends(asked.share_asked, n, estimate.design_effect, estimate.degrees)
        if (high <= 1.0 - 1.0 / (n + 1)) if above else (low >= 1.0 / (n + 1)):
            break
        factor *= STEP
    return factor


def _longer(factor: float, sample: Sample, load: Load | None) -> str:
    """So many times as long, in the unit of the load."""
    if factor >= TOO_CLOSE:
        return "too close to tell"
    seconds = sample.window.seconds if sample.window is not None else None
    return f"{(load or UNKNOWN).times_as_long(factor, seconds)} would tell"
