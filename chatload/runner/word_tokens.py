"""Asks a server's tokenizer for the tokens of every word of generated texts, with a few requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.prompts.token_counts import FILLERS, FIRST_WORD, TokenCounts, vocabulary

BATCH = 100
"""Words that one request holds: its text stays below 1,000 tokens."""
SEPARATORS = FILLERS[:4]
APART = 0.01
"""By how much the tokens of a whole text may differ from those of its words."""

Ids = Callable[[str], list[int]]
"""The ids of the tokens of a text."""


class NotCounted(Exception):
    """The tokens of words cannot be told; the text says why."""


def word_tokens(ids_of: Ids) -> dict[str, float]:
    """The tokens of each word after a space. NotCounted where they cannot be told.

    In "Note time w1 time w2 time" the token of " time" divides the ids into those of the words between.
    """
    for separator in SEPARATORS:
        mark = _mark(ids_of, separator)
        if mark is None:
            continue
        words = [word for word in vocabulary() if word != separator]
        found = {separator: 1.0}
        for start in range(0, len(words), BATCH):
            counts = _between(ids_of, words[start : start + BATCH], separator, mark)
            if counts is None:
                break
            found |= counts
        else:
            return found
    raise NotCounted("its tokens do not begin with words")


def _mark(ids_of: Ids, separator: str) -> int | None:
    """The id of the separator after a space; None where it is not one token."""
    once, thrice = ids_of(f"{FIRST_WORD} {separator}"), ids_of(f"{FIRST_WORD}{3 * f' {separator}'}")
    return once[-1] if once and thrice == [*once, once[-1], once[-1]] else None


def _between(ids_of: Ids, words: Sequence[str], separator: str, mark: int) -> dict[str, float] | None:
    """The tokens of each word; None where another token has the separator's id."""
    text = f"{FIRST_WORD} {separator} {' '.join(f'{word} {separator}' for word in words)}"
    counts = [0]
    for one in ids_of(text):
        if one == mark:
            counts.append(0)
        else:
            counts[-1] += 1
    inside = counts[1:-1]
    if len(inside) != len(words) or 0 in inside or counts[-1]:
        return None
    return dict(zip(words, map(float, inside), strict=True))


def check(ids_of: Ids, counts: TokenCounts, text: str) -> None:
    """NotCounted where a whole text has other tokens than its words together."""
    whole = len(ids_of(text)) - len(ids_of(FIRST_WORD))
    words = counts.of(text)
    if abs(whole - words) > APART * words:
        raise NotCounted(f"a text of {words:g} tokens by its words has {whole:,}")
