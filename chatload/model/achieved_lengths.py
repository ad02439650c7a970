"""Requested lengths of prompts and answers compared with the server's counts (part of summary.json)."""

from __future__ import annotations

import msgspec


class Achieved(msgspec.Struct, frozen=True, kw_only=True):
    """`n` lengths in tokens, requested and counted by the server: their means, and the share that agree within 1 %."""

    n: int
    asked_mean: float
    counted_mean: float
    within_1_percent: float


class AchievedLengths(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Lengths by kind; None where no length was requested, or the server did not count.

    `prompts`: first prompts of conversations. `added`: what each later turn adds to the previous turn and its answer.
    `answers`: answers of good turns. `repeated_share` is the share of prompt tokens that an earlier request of the run
    also had, `cached_share` the share that the server found in its prefix cache; None where unknown.
    """

    prompts: Achieved | None = None
    added: Achieved | None = None
    answers: Achieved | None = None
    repeated_share: float | None = None
    cached_share: float | None = None
