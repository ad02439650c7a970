"""Confidence intervals of turns that share a server's queue, from blocks of time (docs/statistics.md).

Turns that run at the same time are correlated, so that n turns tell less than n independent ones. The variance of
a share of turns is taken from its scatter between 5 to 10 equal blocks of time; the share's interval is the one of
Korn & Graubard (1998, Survey Methodology 24:193), Clopper-Pearson with an effective number of turns; the interval of
a quantile is the one of its share, read back as quantiles (Woodruff 1952, JASA 47:635). No random numbers.

A block has to be longer than a turn cycle (`turn_cycle_s`): within one, the same users' turns are the same burst.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from statistics import NormalDist, fmean, median, stdev

from chatload.analysis.beta import beta_quantile, student_quantile
from chatload.analysis.quantiles import percentile
from chatload.analysis.window import Held
from chatload.model.turn import Turn

LEAST_BLOCKS, MOST_BLOCKS = 5, 10
LEAST_CYCLES = 5.0
"""A window shorter than so many turn cycles has no interval."""
CYCLES_PER_BLOCK = 1.5


@dataclass(frozen=True, slots=True)
class Blocks:
    """`count` equal blocks of the time from `from_ns` to `until_ns`.

    `detrend` takes the straight line through the blocks out of the variance: for loads that grow by design, such as
    conversations with history. It costs one degree of freedom.
    """

    from_ns: int
    until_ns: int
    count: int
    detrend: bool = False

    @property
    def degrees(self) -> int:
        """Degrees of freedom of a variance between the blocks."""
        return self.count - (2 if self.detrend else 1)

    def of(self, at_ns: int) -> int:
        """The block, from 0, of an instant inside the window."""
        share = (at_ns - self.from_ns) / (self.until_ns - self.from_ns)
        return max(0, min(self.count - 1, int(share * self.count)))

    def of_all(self, instants: Iterable[int]) -> list[int]:
        """The block of each of many instants, as `of` tells it."""
        from_ns, length_ns, count, last = (
            self.from_ns,
            self.until_ns - self.from_ns,
            self.count,
            self.count - 1,
        )
        return [max(0, min(last, int((at_ns - from_ns) / length_ns * count))) for at_ns in instants]

    def residuals(self, sums: Sequence[float]) -> list[float]:
        """The blocks' sums less their trend, if it is to be taken out."""
        if not self.detrend:
            return list(sums)
        middle = (self.count - 1) / 2
        steps = [block - middle for block in range(self.count)]
        slope = sum(step * value for step, value in zip(steps, sums, strict=True))
        slope /= sum(step * step for step in steps)
        return [value - slope * step for step, value in zip(steps, sums, strict=True)]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval. An end that the sample cannot give is None: the interval is one-sided.

    `design_effect` is the variance of the share over that of as many independent turns (>= 1); `n` turns tell as
    much as n / design_effect independent ones. `log_se` is the standard error of ln(value); infinite where an end is.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    design_effect: float = 1.0
    log_se: float = math.nan
    degrees: int = 0


def turn_cycle_s(turns: Iterable[Held]) -> float | None:
    """Median time (s) from one due to the same user's next due.

    Where users hold one turn each (open loop), twice the median of end - due: an answer and as long again, after which
    the server has mostly forgotten it.
    """
    dues: dict[int, list[int]] = {}
    lengths: list[int] = []
    for turn in turns:
        due_ns = turn.due_ns
        dues.setdefault(turn.user, []).append(due_ns)
        lengths.append(turn.end_ns - due_ns)
    steps = [later - earlier for of_user in dues.values() for earlier, later in pairwise(sorted(of_user))]
    found = steps or [2 * length for length in lengths]
    return median(found) / 1e9 if found else None


def blocks_of(from_ns: int, until_ns: int, cycle_s: float, *, detrend: bool = False) -> Blocks | None:
    """Blocks of a window: as many as are 1.5 turn cycles long, 5 to 10; None where it is under 5 cycles long."""
    length_s = (until_ns - from_ns) / 1e9
    if length_s <= 0 or length_s < LEAST_CYCLES * cycle_s:
        return None
    fitting = math.floor(length_s / (CYCLES_PER_BLOCK * cycle_s)) if cycle_s > 0 else MOST_BLOCKS
    return Blocks(from_ns, until_ns, min(MOST_BLOCKS, max(LEAST_BLOCKS, fitting)), detrend)


def too_short_words(from_ns: int, until_ns: int, cycle_s: float) -> str:
    """Why a window has no interval, and how long it would have to be."""
    length_s, needed_s = max(0, until_ns - from_ns) / 1e9, LEAST_CYCLES * cycle_s
    needed = f"{needed_s:.3g} s ({LEAST_CYCLES:.0f} turn cycles)"
    return f"too short for an interval: {length_s:.3g} s of the needed {needed}"


def design_effect(
    hits: Sequence[bool], block: Sequence[int], blocks: Blocks, sizes: Mapping[int, int] | None = None
) -> float:
    """Variance of the share of hits, from its scatter between blocks, over that of independent turns; at least 1.

    `block[i]` is the block of turn i; `sizes` are the turns of each block, where they are at hand.
    V = b / df * sum over blocks of (sum of (hit - share))^2 / n^2.
    """
    n = len(hits)
    share = sum(hits) / n if n else 0.0
    if share in (0.0, 1.0):
        return 1.0
    sums = [0.0] * blocks.count
    for index, count in (Counter(block) if sizes is None else sizes).items():
        sums[index] -= count * share
    for index, count in Counter(compress(block, hits)).items():
        sums[index] += count
    scatter = sum(value * value for value in blocks.residuals(sums))
    variance = blocks.count / blocks.degrees * scatter / n**2
    return max(1.0, variance / (share * (1.0 - share) / n))


def share_ends(
    share: float, n: int, effect: float, degrees: float, level: float = 0.95
) -> tuple[float, float]:
    """Ends of the interval of a share (Korn & Graubard): Clopper-Pearson at n / effect * (z / t)^2 turns."""
    tail = (1.0 - level) / 2.0
    ratio = NormalDist().inv_cdf(1.0 - tail) / student_quantile(1.0 - tail, degrees)
    effective = max(1.0, n / effect * ratio**2)
    hits = share * effective
    return beta_quantile(tail, hits, effective - hits + 1.0), beta_quantile(
        1.0 - tail, hits + 1.0, effective - hits
    )


def share_estimate(
    hits: Sequence[bool], block: Sequence[int], blocks: Blocks, level: float = 0.95
) -> Estimate:
    """The share of turns that have a property, with its interval."""
    n = len(hits)
    share = sum(hits) / n
    effect = design_effect(hits, block, blocks)
    low, high = share_ends(share, n, effect, blocks.degrees, level)
    return Estimate(share, low, high, n, effect, degrees=blocks.degrees)


def quantile_estimate(
    values: Sequence[float],
    block: Sequence[int],
    blocks: Blocks,
    p: float,
    level: float = 0.95,
    ordered: Sequence[float] = (),
    sizes: Mapping[int, int] | None = None,
) -> Estimate:
    """The p-quantile of values (> 0; +inf for a failed turn), with its interval and the standard error of its log.

    The error is the larger of ln(Q(p + s) / Q(p)) and ln(Q(p) / Q(p - s)), s the standard error of the share: where a
    queue comes and goes the upper side is long, and their mean makes two such runs differ too often.
    `block[i]` is the block of value i. An end whose share is nearer to 0 or 1 than 1 / (n + 1) is None.
    `ordered`: the values sorted upwards, and `sizes`: the values of each block, where they are at hand.
    """
    ordered = ordered or sorted(values)
    n, edge = len(ordered), 1.0 / (len(ordered) + 1)
    value = percentile(ordered, p)
    effect = design_effect([one <= value for one in values], block, blocks, sizes)
    low, high = share_ends(p, n, effect, blocks.degrees, level)
    spread = math.sqrt(effect * p * (1.0 - p) / n)
    below, above = (
        percentile(ordered, max(p - spread, edge)),
        percentile(ordered, min(p + spread, 1.0 - edge)),
    )
    return Estimate(
        value,
        percentile(ordered, low) if low >= edge else None,
        percentile(ordered, high) if high <= 1.0 - edge else None,
        n,
        effect,
        max(_log_ratio(below, value), _log_ratio(value, above)),
        blocks.degrees,
    )


def tokens_by_block(turns: Iterable[Turn], blocks: Blocks) -> list[float]:
    """Tokens that came in each block: those of a turn are spread evenly from its first token to its last.

    `turns` are all of the run: those due before the window send tokens into it.
    """
    sums = [0.0] * blocks.count
    length_ns = (blocks.until_ns - blocks.from_ns) / blocks.count
    for turn in turns:
        first_ns, last_ns = turn.first_token_ns, turn.last_token_ns
        if not turn.tokens or first_ns is None or last_ns is None:
            continue
        if last_ns < blocks.from_ns or first_ns > blocks.until_ns:
            continue
        for block in range(blocks.of(first_ns), blocks.of(last_ns) + 1):
            begins = blocks.from_ns + block * length_ns
            inside = min(last_ns, begins + length_ns) - max(first_ns, begins)
            sums[block] += turn.tokens * (inside / (last_ns - first_ns) if last_ns > first_ns else 1.0)
    return sums


def rate_estimate(sums: Sequence[float], blocks: Blocks, level: float = 0.95) -> Estimate:
    """A rate (1/s) from what arrived in each block: mean of the blocks' rates +- t * sd / sqrt(b)."""
    block_s = (blocks.until_ns - blocks.from_ns) / 1e9 / blocks.count
    rates = [value / block_s for value in sums]
    mean, error = (
        fmean(rates),
        stdev(blocks.residuals([rate - fmean(rates) for rate in rates])) / math.sqrt(len(rates)),
    )
    if blocks.detrend:
        error *= math.sqrt((blocks.count - 1) / blocks.degrees)
    reach = student_quantile((1.0 + level) / 2.0, blocks.degrees) * error
    log_se = error / mean if mean > 0 else math.inf
    return Estimate(mean, max(0.0, mean - reach), mean + reach, len(rates), 1.0, log_se, blocks.degrees)


def _log_ratio(low: float, high: float) -> float:
    if low <= 0 or math.isinf(high):
        return math.inf
    return math.log(high / low)
