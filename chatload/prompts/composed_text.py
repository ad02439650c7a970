"""Composes texts of an exact number of tokens from words whose token counts are known."""

from __future__ import annotations

import random

from chatload.prompts.token_counts import FILLERS, FIRST_WORD, TokenCounts, sentences

OPENING_WORDS = 6
"""Random words after the first, so that texts differ within the first block of a prefix cache (16 tokens in vLLM)."""


class Composer:
    """Makes texts of a number of tokens, by the server's count; of sentences, if all of their words are counted."""

    def __init__(self, counts: TokenCounts) -> None:
        self.counts = counts
        words = counts.words
        single = [word for word in FILLERS if words[word] == 1.0]
        self._last = single or list(FILLERS)
        self._fillers = single if len(single) >= len(FILLERS) // 2 else list(FILLERS)
        self._tokens_of_filler = sum(words[word] for word in self._fillers) / len(self._fillers)
        known = [one for one in sentences() if all(word in words for word in one.split(" "))]
        self._sentences = [(one, sum(words[word] for word in one.split(" "))) for one in known]

    @property
    def shortest(self) -> float:
        """Tokens, after the first word, of the shortest text that differs from all others."""
        return OPENING_WORDS * self._tokens_of_filler

    def text(self, tokens: float, seed: str) -> str:
        """A text of `tokens` tokens after its first word, or of `shortest` if that is more; seeds give other texts."""
        rng, words = random.Random(f"text {seed}"), self.counts.words
        parts = [FIRST_WORD, *rng.choices(self._fillers, k=OPENING_WORDS)]
        left = tokens - sum(words[word] for word in parts[1:])
        while self._sentences:
            sentence, cost = rng.choice(self._sentences)
            if cost > left:
                for word in sentence.split(" "):
                    if words[word] > left - self._tokens_of_filler:
                        break
                    parts.append(word)
                    left -= words[word]
                break
            parts.append(sentence)
            left -= cost
        while left >= words[self._last[0]] / 2:
            word = rng.choice(self._last)
            parts.append(word)
            left -= words[word]
        return " ".join(parts)

    def opening(self, seed: str) -> str:
        """The shortest text. Its number of tokens is fixed if common words are one token each."""
        return self.text(0.0, seed)
