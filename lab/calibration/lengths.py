"""Prompt and answer lengths like those of ShareGPT after vLLM's benchmark filter, drawn by a seed.

Only quantiles of the real data are used, none of its text. Two populations:
  "user"   pairs of a user's message and the model's answer: prompt mean 111, answer mean 301, rank
           correlation +0.14. The default: these reproduce the article's speeds, the lowest ones too.
  "split"  the first two messages of each conversation, as vLLM's script takes them; a third of the
           conversations begin with the model: prompt mean 236, p50 108, p95 808; answer mean 217, p50 140,
           p95 710, rank correlation -0.43. With 4-token answers to 600-token prompts the lowest speed on an
           idle server is 12 tokens/s, where the article measured 39.
Stratified: one draw from each of n equal slices, shuffled, so the sums of 100 requests hardly depend on the seed.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass

LONGEST_TOTAL = 2048  # vLLM's benchmark drops what is longer


@dataclass(frozen=True, slots=True)
class Length:
    """One request's prompt and answer, in tokens."""

    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Population:
    """Quantiles (tokens at `SHARES`, straight lines between) and how prompt and answer go together."""

    prompts: tuple[int, ...]
    answers: tuple[int, ...]
    rank_correlation: float


SHARES = (0.0, 0.02, 0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.98, 1.0)
POPULATIONS = {
    "user": Population(
        prompts=(4, 5, 7, 9, 13, 17, 23, 32, 47, 77, 139, 329, 545, 788, 1024),
        answers=(4, 17, 29, 54, 111, 163, 221, 270, 320, 375, 453, 600, 723, 836, 1100),
        rank_correlation=0.14,
    ),
    "split": Population(
        prompts=(4, 6, 8, 11, 18, 28, 50, 108, 226, 342, 468, 657, 808, 908, 1024),
        answers=(4, 6, 8, 11, 20, 37, 78, 140, 222, 298, 383, 535, 710, 850, 1100),
        rank_correlation=-0.43,
    ),
}


def quantile(tokens: tuple[int, ...], share: float) -> float:
    """The length below which `share` of the requests are."""
    place = min(bisect_right(SHARES, share), len(SHARES) - 1)
    low, high = SHARES[place - 1], SHARES[place]
    return tokens[place - 1] + (share - low) / (high - low) * (tokens[place] - tokens[place - 1])


def draw_lengths(count: int, seed: int, population: str = "user") -> list[Length]:
    """`count` requests; the same list for the same seed."""
    kind = POPULATIONS[population]
    draw = random.Random(seed)
    prompts = [round(quantile(kind.prompts, (i + draw.random()) / count)) for i in range(count)]
    answers = [round(quantile(kind.answers, (i + draw.random()) / count)) for i in range(count)]
    order = _together(count, kind.rank_correlation, draw)
    pairs = [
        Length(prompts[place], min(answers[rank], LONGEST_TOTAL - prompts[place]))
        for rank, place in enumerate(order)
    ]
    draw.shuffle(pairs)
    return pairs


def _together(count: int, correlation: float, draw: random.Random) -> list[int]:
    """Which prompt goes with the shortest answer, the next one, ...: ranks mixed with chance."""
    chance = (1 - correlation**2) ** 0.5
    keys = [correlation * (i / count - 0.5) * 12**0.5 + chance * draw.gauss(0, 1) for i in range(count)]
    return sorted(range(count), key=keys.__getitem__)
