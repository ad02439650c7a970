"""Conditions that show only in the replies: how long prompts and answers were, and how much a prefix cache held."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chatload.analysis.server_view import server_view
from chatload.analysis.server_warnings import cached_share
from chatload.model.token_sources import COUNTED
from chatload.model.turn import Turn
from chatload.model.words import percent
from chatload.store.journal import Run

MOST_APART = 0.05
"""Means (and shares) further apart than this are another load: no difference between servers can be told."""
WORTH_SAYING = 0.01
ERRORS = 3.0
"""Means of drawn lengths differ by chance: less than so many standard errors is no difference."""
LEAST_USERS = 5
LEAST_TURNS = 5
"""Of fewer turns nobody knows how lengths vary: they are taken to vary as those of the other side."""
ANSWER_LENGTH = "mean answer tokens"


@dataclass(frozen=True, slots=True)
class MeasuredDifference:
    """One condition on both sides; `too_far` where it forbids a verdict."""

    name: str
    values: tuple[str, str]
    too_far: bool


@dataclass(frozen=True, slots=True)
class _Mean:
    """Of `n` turns, which lie `spread` apart from it (standard deviation)."""

    value: float
    error: float
    n: int
    spread: float


def measured_differences(a: Sequence[Run], b: Sequence[Run]) -> list[MeasuredDifference]:
    """Means that differ by more than chance and 1 %, shares that differ by more than 5 points.

    One that a side does not tell does not differ. Shares of cache hits of one server differ by a few points from run to
    run.
    """
    found = [
        difference
        for name, of in (("mean prompt tokens", _prompt), (ANSWER_LENGTH, _answer))
        if (difference := _of_means(name, _mean(a, of), _mean(b, of))) is not None
    ]
    shares = _cached(a), _cached(b)
    if shares[0] is not None and shares[1] is not None and abs(shares[0] - shares[1]) > MOST_APART:
        words = (percent(shares[0]), percent(shares[1]))
        found.append(MeasuredDifference("prompt tokens from a prefix cache", words, True))
    return found


def _of_means(name: str, a: _Mean | None, b: _Mean | None) -> MeasuredDifference | None:
    if a is None or b is None:
        return None
    values = f"{a.value:,.1f}", f"{b.value:,.1f}"
    if not (a.value and b.value):  # 0 prompt tokens: not counted; 0 of the answer: a fact
        return (
            MeasuredDifference(name, values, True) if name == ANSWER_LENGTH and a.value != b.value else None
        )
    apart = abs(math.log(b.value / a.value))
    by_chance = ERRORS * math.hypot(_error(a, b) / a.value, _error(b, a) / b.value)
    if apart <= math.log1p(WORTH_SAYING) or apart <= by_chance:
        return None
    return MeasuredDifference(name, values, apart > math.log1p(MOST_APART))


def _error(one: _Mean, other: _Mean) -> float:
    """The standard error of `one`; of few turns at least that of so many turns of the other side."""
    return one.error if one.n >= LEAST_TURNS else max(one.error, other.spread / math.sqrt(one.n))


def _mean(runs: Sequence[Run], of: Callable[[Turn], int | None]) -> _Mean | None:
    """Σ x / N over all good turns that tell, with the standard error of users: V = m/(m−1) · Σ (s_j − mean·n_j)² / N².

    s_j and n_j are sum and number of the turns of user j of m; of fewer than 5 users, of each turn.
    """
    by_user: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, run in enumerate(runs):
        for turn, value in _told(run, of):
            by_user[number, turn.user].append(value)
    groups = list(by_user.values())
    if len(groups) < LEAST_USERS:
        groups = [[value] for group in groups for value in group]
    if not groups:
        return None
    n = sum(map(len, groups))
    mean = sum(map(sum, groups)) / n
    squares = math.fsum((sum(group) - mean * len(group)) ** 2 for group in groups)
    error = math.sqrt(len(groups) / (len(groups) - 1) * squares) / n if len(groups) > 1 else 0.0
    spread = math.sqrt(math.fsum((value - mean) ** 2 for group in groups for value in group) / n)
    return _Mean(mean, error, n, spread)


def _told(run: Run, of: Callable[[Turn], int | None]) -> Iterator[tuple[Turn, int]]:
    return ((turn, value) for turn in run.turns if turn.ok and (value := of(turn)) is not None)


def _prompt(turn: Turn) -> int | None:
    return turn.prompt_tokens


def _answer(turn: Turn) -> int | None:
    return turn.tokens if turn.token_source in COUNTED else None


def _cached(runs: Sequence[Run]) -> float | None:
    """The share over all runs, by their prompt tokens; None where one does not tell."""
    told = [cached_share(run, server_view(run)) for run in runs]
    asked = sum(tokens for _, tokens in told)
    if not asked or any(share is None for share, _ in told):
        return None
    return sum((share or 0.0) * tokens for share, tokens in told) / asked
