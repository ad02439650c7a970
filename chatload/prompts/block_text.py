"""Prompts from block ids of a trace: equal ids give equal text, so that prefix cache hits are those of the trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from chatload.prompts.generated_text import words_of_notes
from chatload.prompts.tokens import estimate_of_word


def prompt_of_blocks(ids: Sequence[int], block_tokens: int, tokens: int, seed: str) -> str:
    """A text of about `tokens` tokens (estimated): `block_tokens` for each id; the last block is cut to fit."""
    texts = [block_text(block_tokens, f"{seed} {one}") for one in ids[:-1]]
    left = tokens - block_tokens * len(texts)
    texts += [_first_words(block_text(block_tokens, f"{seed} {one}").split(" "), left) for one in ids[-1:]]
    return " ".join(filter(None, texts))


@lru_cache(maxsize=8192)
def block_text(tokens: int, seed: str) -> str:
    """A text of about `tokens` tokens (estimated); texts of different seeds differ within the first words."""
    return _first_words(words_of_notes(seed), tokens)


def _first_words(words: Iterable[str], tokens: int) -> str:
    """The first of the words, about `tokens` tokens; at least one."""
    kept, total = list[str](), 0.0
    for word in words:
        each = estimate_of_word(word)
        if kept and total + each / 2 > tokens:
            break
        kept.append(word)
        total += each
    return " ".join(kept)
