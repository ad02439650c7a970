"""Lengths of prompt and answer that the options set for each turn, in tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from chatload.options.distribution import Distribution
from chatload.options.length_options import ANSWER_TOKENS, PROMPT_TOKENS, PairFile
from chatload.options.ranges import MOST_TOKENS
from chatload.prompts.generated_prompts import NOTHING_ASKED, AskedTokens

Pair = tuple[int, int]
"""(prompt, answer) in tokens."""


@dataclass(frozen=True, slots=True)
class TurnLengths:
    """The lengths of every turn of a run: drawn by its seed, so that each process has the same.

    With `pairs`, turn t of user u has pair (u + (t − 1) · users) mod n, in the order of the file.
    """

    prompt: Distribution | None = None
    answer: Distribution | None = None
    pairs: Sequence[Pair] = ()
    seed: int = 1
    users: int = 1

    def of(self, user: int, turn: int) -> AskedTokens:
        """(prompt, answer) tokens of a turn, numbered from 1; None where the options set no length."""
        if self.pairs:
            return self.pairs[(user + (turn - 1) * self.users) % len(self.pairs)]
        if self.prompt is None and self.answer is None:
            return NOTHING_ASKED
        place = f"{self.seed} {user} {turn}"
        return _drawn(self.prompt, f"prompt tokens {place}"), _drawn(self.answer, f"answer tokens {place}")


def turn_lengths(
    prompt: int | str, answer: int | str, pairs: Sequence[Pair], seed: int, users: int
) -> TurnLengths:
    """The lengths of the option values; a file of lengths is given as `pairs`."""
    prompts, answers = PROMPT_TOKENS.parse(str(prompt)), ANSWER_TOKENS.parse(str(answer))
    return TurnLengths(
        prompts if isinstance(prompts, Distribution) else None,
        answers if isinstance(answers, Distribution) else None,
        pairs,
        seed,
        users,
    )


def length_words(text: int | str) -> str:
    """The value of an option in words: "512 tokens", "512±64 tokens (normal)"; empty for an empty value."""
    lengths = PROMPT_TOKENS.parse(str(text))
    if isinstance(lengths, Distribution):
        plain = lengths.spread and lengths.least <= 1  # every length is 1 or more
        return (msgspec.structs.replace(lengths, least=0.0) if plain else lengths).words("tokens")
    return f"lengths as in {lengths.path}" if isinstance(lengths, PairFile) else ""


def _drawn(lengths: Distribution | None, seed: str) -> int | None:
    """A whole number of tokens; each number of a uniform distribution is equally likely."""
    if lengths is None:
        return None
    if lengths.law != "uniform":
        return min(max(1, round(lengths.drawn(seed))), MOST_TOKENS)
    least, most = round(lengths.least), round(2 * lengths.mean - lengths.least)
    return least + int(random.Random(seed).random() * (most - least + 1))
