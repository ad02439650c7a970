"""Texts of an exact number of tokens, put together from words whose tokens are known."""

from __future__ import annotations

import random

from chatload.prompts.token_counts import FILLERS, FIRST_WORD, TokenCounts, sentences

OPENING_WORDS = 6
"""Drawn words at the beginning, by which texts differ within the first block of a prefix cache (16 tokens in vLLM)."""


class Composer:
    """Makes texts of so many tokens of the server's: of sentences, where all of their words are counted."""

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
        """Tokens of the shortest text that no other text repeats."""
        return OPENING_WORDS * self._tokens_of_filler

    def text(self, tokens: float, seed: str) -> str:
        """A text of so many tokens after its first word, or of the fewest that there can be; another for each seed."""
        drawn, words = random.Random(f"text {seed}"), self.counts.words
        parts = [FIRST_WORD, *drawn.choices(self._fillers, k=OPENING_WORDS)]
        left = tokens - sum(words[word] for word in parts[1:])
        while self._sentences:
            sentence, cost = drawn.choice(self._sentences)
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
            word = drawn.choice(self._last)
            parts.append(word)
            left -= words[word]
        return " ".join(parts)

    def opening(self, seed: str) -> str:
        """The shortest text: always as many tokens, where common words are one token each."""
        return self.text(0.0, seed)
