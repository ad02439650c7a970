"""Distributions of think times, latencies and lengths: constant, or drawn from a law, in one syntax for all."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import Literal

import msgspec

from chatload.model.words import percent
from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import Range

Law = Literal["constant", "exponential", "uniform", "normal", "lognormal"]
LEAST_PAUSE_S = 0.05
"""Shortest think time drawn from a law, as nobody answers at once; a tenth of the mean where that is below 0.5 s."""
LEAST_SHARE = 0.01
"""Least probability that "at least" and "at most" must leave of a law."""
DRAWN = "'exp 2' (mean 2), '1..3', '2±0.5', 'lognormal 2±1', these also 'at least 1' and 'at most 9'"
_NORMAL = NormalDist()
_BOUND = re.compile(r"(.*?)\s+at\s+(least|most)\s+(\S+)", re.IGNORECASE)
_EXPONENTIAL = re.compile(r"exp(?:onential)?\s+(\S+)", re.IGNORECASE)
_SPREAD = re.compile(
    r"(?:((?:log)?normal)\s*)?\(?\s*([^\s,±()+]+)\s*(±|\+-|,|\s)\s*([^\s,±()]+)\s*\)?", re.IGNORECASE
)


class Distribution(msgspec.Struct, frozen=True):
    """A distribution of numbers from `least` to `most` (None: unbounded).

    constant: `mean`. uniform: from least to 2 · mean − least. exponential: least + Exp(mean − least). normal and
    lognormal have this mean and the standard deviation `spread`. The laws are truncated to these bounds; `average`
    is the mean of the truncated law.
    """

    mean: float
    law: Law = "constant"
    least: float = 0.0
    spread: float = 0.0
    most: float | None = None

    @property
    def text(self) -> str:
        """As an option's value: 2, exp 2, 1..3, 2±0.5, lognormal 2±1 at most 9."""
        if self.law == "constant":
            return f"{self.mean:g}"
        if self.law == "uniform":
            return f"{self.least:g}..{2 * self.mean - self.least:g}"
        law = {"exponential": f"exp {self.mean:g}", "normal": f"{self.mean:g}±{self.spread:g}"}
        text = law.get(self.law, f"lognormal {self.mean:g}±{self.spread:g}")
        if self.least not in (0.0, _least_pause_s(self.mean)):
            text += f" at least {self.least:g}"
        return text if self.most is None else f"{text} at most {self.most:g}"

    def words(self, unit: str) -> str:
        """Such as 2 s, 2 s (exponential), 1 to 3 s (uniform), 2±1 s (lognormal, at most 9)."""
        if self.law == "constant":
            return f"{self.mean:g} {unit}"
        if self.law == "uniform":
            return f"{self.least:g} to {2 * self.mean - self.least:g} {unit} (uniform)"
        spread = f"±{self.spread:g}" if self.spread else ""
        least = "" if self.least in (0.0, _least_pause_s(self.mean)) else f", at least {self.least:g}"
        most = "" if self.most is None else f", at most {self.most:g}"
        return f"{self.mean:g}{spread} {unit} ({self.law}{least}{most})"

    @property
    def average(self) -> float:
        """The mean of the drawn numbers."""
        exact = self.law in ("constant", "uniform") or (self.law == "exponential" and self.most is None)
        return self.mean if exact else _average(self)

    def drawn(self, seed: str) -> float:
        """The number drawn with this seed: the quantile at a random share."""
        return self.mean if self.law == "constant" else self.at(random.Random(seed).random())

    def at(self, share: float) -> float:
        """The quantile at `share`, 0 <= share < 1."""
        if self.law == "constant":
            return self.mean
        if self.law == "uniform":
            return self.least + 2.0 * share * (self.mean - self.least)
        low, high = self._kept
        share = low + share * (high - low)
        if self.law == "exponential":
            return self.least - math.log1p(-share) * (self.mean - self.least)
        z = _NORMAL.inv_cdf(min(max(share, 1e-15), 1.0 - 1e-15))
        value = self.mean + self.spread * z
        if self.law == "lognormal":
            middle, sigma = self._logs
            value = math.exp(middle + sigma * z)
        return min(max(value, self.least), math.inf if self.most is None else self.most)

    @property
    def _kept(self) -> tuple[float, float]:
        """The cumulative probabilities of the untruncated law at `least` and `most`."""
        return self._below(self.least), 1.0 if self.most is None else self._below(self.most)

    @property
    def kept(self) -> float:
        """The probability of the untruncated law between `least` and `most`."""
        low, high = self._kept
        return high - low

    @property
    def _logs(self) -> tuple[float, float]:
        """(mu, sigma) of the logarithms: mu = ln(mean) − sigma² / 2, sigma² = ln(1 + spread² / mean²)."""
        sigma_2 = math.log1p((self.spread / self.mean) ** 2)
        return math.log(self.mean) - sigma_2 / 2.0, math.sqrt(sigma_2)

    def _below(self, value: float) -> float:
        if self.law == "exponential":
            scale = self.mean - self.least
            return 1.0 - math.exp(-(value - self.least) / scale) if scale > 0.0 else float(value > self.least)
        if self.law == "lognormal":
            middle, sigma = self._logs
            return _NORMAL.cdf((math.log(value) - middle) / sigma) if value > 0.0 else 0.0
        return _NORMAL.cdf((value - self.mean) / self.spread)


def _least_pause_s(mean: float) -> float:
    return min(LEAST_PAUSE_S, mean / 10.0)


@lru_cache(maxsize=64)
def _average(drawn: Distribution, points: int = 2000) -> float:
    """The mean of the quantiles at the middles of `points` equal shares."""
    return fmean(drawn.at((i + 0.5) / points) for i in range(points))


def exponential(mean: float) -> Distribution:
    """Exponential think times with this mean."""
    return Distribution(mean, "exponential", _least_pause_s(mean))


def read_distribution(text: str, limits: Range, *, pauses: bool = False) -> Distribution:
    """The distribution of a text, with every number in it within `limits`. Raises InvalidValue.

    `pauses`: drawn numbers are think times in s, which are never shorter than LEAST_PAUSE_S unless the text says so.
    """

    def number(part: str) -> float:
        found = limits.read(part)
        if found is None:
            raise InvalidValue(f"must be {limits.words} such as 2, or drawn: {DRAWN}")
        return found

    bounds: dict[str, float] = {}
    whole = text
    while bound := _BOUND.fullmatch(text):
        text, which = bound[1], bound[2].lower()
        if which in bounds:
            raise InvalidValue(f"has “at {which}” twice")
        bounds[which] = number(bound[3])
    between, exp, spread = text.partition(".."), _EXPONENTIAL.fullmatch(text), _SPREAD.fullmatch(text)
    if spread and not spread[1] and spread[3] not in ("±", "+-"):  # "2,5" may be 2.5, and "1,500" 1500
        spread = None
    if between[1] or not (exp or spread):
        if bounds:
            raise InvalidValue("“at least” and “at most” go with exp, normal and lognormal only")
        if not between[1]:
            return Distribution(number(text), "constant", number(text))
        least, most = number(between[0].strip()), number(between[2].strip())
        if least > most:
            raise InvalidValue(f"the shorter one comes first: {most:g}..{least:g}")
        return Distribution((least + most) / 2, "uniform", least)
    mean = number(exp[1] if exp else spread[2] if spread else "")
    least = bounds.get("least", max(limits.least, _least_pause_s(mean) if pauses else 0.0))
    if exp:
        if least > mean:
            raise InvalidValue(f"its mean is below its least: write a mean of {least:g} or more")
        found = Distribution(mean, "exponential", least, most=bounds.get("most"))
    else:
        assert spread is not None
        law: Law = "lognormal" if spread[1] and spread[1].lower() == "lognormal" else "normal"
        found = Distribution(mean, law, least, number(spread[4]), bounds.get("most"))
        if not found.spread or not mean:
            raise InvalidValue(
                "mean and standard deviation must be more than 0: write a number for no spread"
            )
    if found.most is not None and found.most <= found.least:
        raise InvalidValue("“at most” must be more than its least")
    if found.kept < LEAST_SHARE:
        raise InvalidValue(
            f"{percent(found.kept, 2)} of it lies between its ends: too little to draw from ({whole!r})"
        )
    return found


@dataclass(frozen=True, kw_only=True)
class DistributionOption(Option[Distribution]):
    """A number or a distribution: "2", "exp 2", "1..3", "2±0.5", "lognormal 2±1 at most 9".

    `limits` and `pauses` as in `read_distribution`.
    """

    limits: Range
    pauses: bool = False

    def parse(self, text: str) -> Distribution:
        """The distribution."""
        return read_distribution(text, self.limits, pauses=self.pauses)
