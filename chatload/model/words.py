"""Numbers and lists in English."""

from __future__ import annotations

from collections.abc import Sequence


def plural(n: int, word: str) -> str:
    """“1 turn”, “1,000 turns”; a word in -y becomes -ies."""
    if n != 1:
        word = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{n:,} {word}"


def listed(words: Sequence[str]) -> str:
    """“a”, “a and b”, “a, b and c”."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def percent(share: float, digits: int = 0) -> str:
    """“9 %” of a share of 0.09; of 0.0912 with one digit behind the point “9.1 %”."""
    return f"{100 * share:.{digits}f} %"
