"""Lengths of prompts and answers as asked, beside what the server counted (part of summary.json)."""

from __future__ import annotations

import msgspec


class Achieved(msgspec.Struct, frozen=True, kw_only=True):
    """`n` lengths in tokens that were asked and counted by the server: their means, and the share within 1 %."""

    n: int
    asked_mean: float
    counted_mean: float
    within_1_percent: float


class AchievedLengths(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`prompts`: first prompts of conversations, whole. `added`: what later turns add to the turn before and its
    answer. `answers`: of good turns. None where nothing was asked, or the server did not count.
    `repeated_share`: of the prompt tokens, those that an earlier request of the run held, `cached_share` those that the
    server found in its prefix cache; None where that is not known.
    """

    prompts: Achieved | None = None
    added: Achieved | None = None
    answers: Achieved | None = None
    repeated_share: float | None = None
    cached_share: float | None = None
