"""Confidence intervals of a share of turns, where turns of one conversation are not independent.

Two bounds are computed and the wider one is taken:

- turns taken as independent: Clopper and Pearson's exact binomial bound;
- conversations taken as independent: Gaffke's bound for the mean of bounded variables (N. Gaffke, *Three
  test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable*, 2005). It is
  the bootstrap over conversations with random weights, Dirichlet(1, …, 1), to which one conversation of the
  worst kind is added, so that it covers the truth where no turn failed. On conversations of one turn
  each it *is* Clopper and Pearson's.

The law of the weighted sum is not drawn but computed (Lugannani and Rice's saddle point), so that the
same run always gives the same verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

from chatload.analysis.beta import binomial_at_most, bisect_true

_NORMAL = NormalDist()
MOST = 1_000_000
"""Where more turns than this would be needed, a share counts as too close to its limit."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Conversations by (turns that meet something, turns in all), with how often each kind was seen."""

    kinds: Mapping[tuple[float, float], float]

    @classmethod
    def of(cls, conversations: Iterable[tuple[int, int]]) -> Tally:
        """From (turns that meet it, turns in all) of each conversation; those without turns are left out."""
        return cls(Counter((met, turns) for met, turns in conversations if turns))

    @property
    def conversations(self) -> float:
        """How many conversations."""
        return float(sum(self.kinds.values()))

    @property
    def turns(self) -> float:
        """Turns in all."""
        return sum(turns * n for (_, turns), n in self.kinds.items())

    @property
    def met(self) -> float:
        """Turns that meet it."""
        return sum(met * n for (met, _), n in self.kinds.items())

    @property
    def share(self) -> float | None:
        """met / turns; None without turns."""
        return self.met / self.turns if self.turns else None

    @property
    def others(self) -> Tally:
        """The same conversations, counted by the turns that do not meet it."""
        return Tally({(turns - met, turns): n for (met, turns), n in self.kinds.items()})

    def times(self, factor: float) -> Tally:
        """As many times as many conversations of each kind."""
        return Tally({kind: n * factor for kind, n in self.kinds.items()})


def surely_below(tally: Tally, limit: float, confidence: float = 0.95) -> bool:
    """True when the upper bound of the true share is <= limit (two-sided confidence: each side has half)."""
    if limit >= 1.0:
        return True
    if not tally.turns or limit < 0.0:
        return False
    tail = (1.0 - confidence) / 2.0
    if binomial_at_most(tally.met, tally.turns, limit) > tail:
        return False
    return _weight_above(tally, limit) <= tail


def surely_above(tally: Tally, limit: float, confidence: float = 0.95) -> bool:
    """True when the lower bound of the true share is >= limit."""
    return surely_below(tally.others, 1.0 - limit, confidence)


def interval(tally: Tally, confidence: float = 0.95, steps: int = 30) -> tuple[float, float]:
    """The interval of the true share, at most 2^-steps too wide on each side; (0, 1) where nothing is known."""
    others = tally.others
    high = bisect_true(lambda limit: surely_below(tally, limit, confidence), 0.0, 1.0, steps)
    other = bisect_true(lambda limit: surely_below(others, limit, confidence), 0.0, 1.0, steps)
    return 1.0 - other, high


def turns_needed(tally: Tally, limit: float, confidence: float = 0.95) -> int | None:
    """About how many turns would tell the share from the limit, were they all like these; None: too many."""
    if not tally.turns or tally.share is None:
        return None
    below = tally.share <= limit

    def tells(turns: float) -> bool:
        more = tally.times(turns / tally.turns)
        return surely_below(more, limit, confidence) if below else surely_above(more, limit, confidence)

    if not tells(MOST):
        return None
    return math.ceil(bisect_true(tells, 0.0, MOST, 40))


def _weight_above(tally: Tally, limit: float) -> float:
    """P(weighted share > limit) over random weights, one worst conversation of the longest kind added."""
    terms: dict[float, float] = {}
    for (met, turns), n in tally.kinds.items():
        excess = met - limit * turns
        terms[excess] = terms.get(excess, 0.0) + n
    worst = (1.0 - limit) * max(turns for _, turns in tally.kinds)
    terms[worst] = terms.get(worst, 0.0) + 1.0
    return 1.0 - sum_of_gammas_at_most_0(terms)


def sum_of_gammas_at_most_0(terms: Mapping[float, float]) -> float:
    """P(Σ z·G_z <= 0), G_z ~ Gamma(shape terms[z], 1) independent. Lugannani and Rice 1980.

    K(t) = −Σ shape·log(1 − t·z); at the saddle t with K'(t) = 0: P = Φ(w) + φ(w)(1/w − 1/u) with
    w = sign(t)·sqrt(−2K(t)), u = t·sqrt(K''(t)).
    """
    pairs = [(z, shape) for z, shape in terms.items() if z]
    most, least = max((z for z, _ in pairs), default=0.0), min((z for z, _ in pairs), default=0.0)
    if most <= 0.0:
        return 1.0
    if least >= 0.0:
        return 0.0
    t: float = bisect_true(
        lambda t: sum(shape * z / (1.0 - t * z) for z, shape in pairs) >= 0.0,
        (1.0 - 1e-12) / least, (1.0 - 1e-12) / most, 100,
    )  # fmt: skip
    cumulant = -math.fsum(shape * math.log1p(-t * z) for z, shape in pairs)
    second: float = math.fsum(shape * (z / (1.0 - t * z)) ** 2 for z, shape in pairs)
    w = math.copysign(math.sqrt(max(0.0, -2.0 * cumulant)), t)
    u = t * math.sqrt(second)
    if abs(w) < 1e-4:
        third: float = 2.0 * math.fsum(shape * (z / (1.0 - t * z)) ** 3 for z, shape in pairs)
        return 0.5 + third / (6.0 * math.sqrt(2.0 * math.pi) * second * math.sqrt(second))
    return min(1.0, max(0.0, _NORMAL.cdf(w) + _NORMAL.pdf(w) * (1.0 / w - 1.0 / u)))
