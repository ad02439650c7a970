"""Which sources of token counts are exact, and why a server's usage was not used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTED = frozenset({"usage", "per_event", "one_per_event"})
"""Sources of exact counts."""
DOUBTS: Mapping[str, str] = {
    "zero": "0 tokens beside text",
    "early": "told before the end of the text",
    "repeats": "the same count in every event",
    "not_the_sum": "other than total − prompt",
    "too_many": "more tokens than the text can have",
    "too_few": "fewer tokens than the text must have",
}
"""Why a usage was not used, by the code in the turn's `usage_doubt`."""
LONGEST_MEAN, SHORTEST_MEAN = 8.0, 1.5
"""Largest and smallest plausible mean of characters per token over many tokens. English has 4 to 5, ASCII text more
than 1.5."""
LIMITS = ("max_tokens", "max_completion_tokens", "max_new_tokens", "parameters")
"""Fields of --body that may set another token limit than the plan's."""

END_TOKENS = (
    "</s>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
)
"""End-of-turn tokens of common models. A server that skips special tokens sends none of them as text."""


def shown_end(text: str) -> str:
    """The end-of-turn token that a reply's text ends with; "" if there is none."""
    tail = text[-24:].rstrip()
    return next(filter(tail.endswith, END_TOKENS)) if tail.endswith(END_TOKENS) else ""


def exceeded_limit(limit: int | None, extra: Mapping[str, object], fields: Mapping[str, Any]) -> int | None:
    """The token limit of the request, if the reply has more tokens by an exact count; else None.

    `extra` is the JSON of --body, `fields` are the turn's own. Any: they have many types.
    """
    tokens = fields.get("tokens")
    if limit is None or tokens is None or tokens <= limit or fields["token_source"] not in COUNTED:
        return None
    return None if any(name in extra for name in LIMITS) else limit
