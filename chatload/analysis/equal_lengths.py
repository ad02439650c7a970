"""Speed at equal lengths, of two sides whose answers are not equally long: of the first n tokens of each reply.

n is the most that 9 of 10 good replies of either side have. A reply's later tokens, and the replies that have fewer,
count for neither side, so that the figures are of the same work. Longer answers load a server more all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatload.analysis.comparison_rules import family_level
from chatload.analysis.effects import Measure, effect_of
from chatload.analysis.failed_share import Side
from chatload.analysis.throughput import token_arrivals
from chatload.model.token_sources import COUNTED
from chatload.model.turn import Turn
from chatload.model.verdict import Effect

LEAST_TOKENS = 8
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class EqualLengths:
    """B against A in the first `tokens` tokens of the replies that have as many: `shares` of the good ones."""

    tokens: int
    shares: tuple[float, float]
    effects: tuple[Effect, ...]


def equal_lengths(a: Sequence[Side], b: Sequence[Side], margin: float) -> EqualLengths | None:
    """The comparison; None where the tokens of a side are not counted, or its replies have fewer than 8."""
    lengths = [_lengths(side) for side in (a, b)]
    if not all(lengths):
        return None
    n = min(found[len(found) // 10] for found in lengths)
    if n < LEAST_TOKENS:
        return None
    figures = (
        Measure("felt_tokens_per_s", "felt speed p50", "tokens/s", True, felt_in(n)),
        Measure("decode_tokens_per_s", "decode speed p50", "tokens/s", True, decode_in(n)),
    )
    level = family_level(len(figures))
    return EqualLengths(
        n,
        (_share(lengths[0], n), _share(lengths[1], n)),
        tuple(effect_of(one, a, b, margin, level) for one in figures),
    )


def felt_in(n: int) -> Callable[[Turn], float | None]:
    """n / (the n-th token - sent), in tokens/s; None of a reply that has fewer."""

    def felt(turn: Turn) -> float | None:
        reached = _reached(turn, n)
        if reached is None or turn.sent_ns is None or reached[0] <= turn.sent_ns:
            return None
        return n / ((reached[0] - turn.sent_ns) / 1e9)

    return felt


def decode_in(n: int) -> Callable[[Turn], float | None]:
    """(n - those that came first) / (the n-th token - the first), in tokens/s; None of a reply that has fewer."""

    def decode(turn: Turn) -> float | None:
        reached = _reached(turn, n)
        if reached is None or turn.first_token_ns is None or reached[0] <= turn.first_token_ns:
            return None
        return (n - reached[1]) / ((reached[0] - turn.first_token_ns) / 1e9)

    return decode


def _reached(turn: Turn, n: int) -> tuple[int, float] | None:
    """(when the n-th token was there, tokens of the first event); None of a reply with fewer."""
    if turn.token_source not in COUNTED or (turn.tokens or 0) < n:
        return None
    so_far, first = 0.0, None
    for at_ns, tokens in token_arrivals(turn):
        first = tokens if first is None else first
        so_far += tokens
        if so_far >= n - ROUNDING:
            return at_ns, first
    return None


def _lengths(sides: Sequence[Side]) -> list[int]:
    """The tokens of the good replies, in order; none where some are not counted."""
    good = [turn for side in sides for turn in side.turns if turn.ok and turn.tokens]
    if any(turn.token_source not in COUNTED for turn in good):
        return []
    return sorted(turn.tokens or 0 for turn in good)


def _share(lengths: Sequence[int], n: int) -> float:
    return sum(one >= n for one in lengths) / len(lengths)
