"""What the edge of the model's context did to a run: conversations that ended there, and shortened prompts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

from chatload.model.summary import ContextUse
from chatload.model.turn import Turn


def context_use(turns: Sequence[Turn]) -> ContextUse | None:
    """Conversations that no longer fitted, the turns that were thereby not held, and those with shortened prompts.

    None where there are none.
    """
    ends = [turn for turn in turns if turn.not_held]
    trimmed = sum(turn.trimmed > 0 for turn in turns if turn.counts)
    if not ends and not trimmed:
        return None
    limits = [turn.context_limit for turn in ends if turn.context_limit]
    return ContextUse(
        ended=len(ends),
        not_held=sum(turn.not_held for turn in ends),
        trimmed=trimmed,
        limit=median_low(limits) if limits else None,
    )


def not_held(turns: Sequence[Turn]) -> int:
    """Planned turns that were not held as their conversations no longer fitted the context."""
    return sum(turn.not_held for turn in turns)
