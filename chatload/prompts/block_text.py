"""Prompts of blocks: equal ids are equal text, so that a prefix cache finds what it found in the recorded trace."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from chatload.prompts.generated_text import words_of_notes
from chatload.prompts.tokens import estimate_tokens_exactly


def prompt_of_blocks(ids: Sequence[int], block_tokens: int, tokens: int, seed: str) -> str:
    """About `tokens` tokens (by our estimate): a text of `block_tokens` for each id, the last one cut off."""
    texts = [block_text(block_tokens, f"{seed} {one}") for one in ids[:-1]]
    left = tokens - block_tokens * len(texts)
    texts += [_cut(block_text(block_tokens, f"{seed} {one}"), left) for one in ids[-1:]]
    return " ".join(filter(None, texts))


@lru_cache(maxsize=8192)
def block_text(tokens: int, seed: str) -> str:
    """A text of about `tokens` tokens, of its own for each seed from the first words on."""
    words, total = list[str](), 0.0
    for word in words_of_notes(seed):
        each = _tokens_of(word)
        if total + each / 2 > tokens:
            break
        words.append(word)
        total += each
    return " ".join(words)


def _cut(text: str, tokens: int) -> str:
    """The first words of a text, about `tokens` tokens; at least one."""
    kept, total = list[str](), 0.0
    for word in text.split(" "):
        each = _tokens_of(word)
        if kept and total + each / 2 > tokens:
            break
        kept.append(word)
        total += each
    return " ".join(kept)


@lru_cache(maxsize=4096)
def _tokens_of(word: str) -> float:
    return estimate_tokens_exactly(word)
