"""What a token count is worth: the sources that are exact, and why a server's usage was not used."""

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
"""Why a usage was not used, by the code that a turn keeps (`usage_doubt`)."""
LONGEST_MEAN, SHORTEST_MEAN = 8.0, 1.5
"""Characters a token, means that no text goes beyond over many tokens: English has 4 to 5, ASCII more than 1.5."""
LIMITS = ("max_tokens", "max_completion_tokens", "max_new_tokens", "parameters")
"""Fields of --body that may ask for another number of tokens than the plan."""

END_TOKENS = (
    "</s>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
)
"""How models write the end of their turn; a server that hides special tokens sends none of these."""


def shown_end(text: str) -> str:
    """The end token that a reply's text ends with; empty where it ends with none."""
    tail = text[-24:].rstrip()
    return next(filter(tail.endswith, END_TOKENS)) if tail.endswith(END_TOKENS) else ""


def exceeded_limit(limit: int | None, extra: Mapping[str, object], fields: Mapping[str, Any]) -> int | None:
    """The limit of tokens that a request asked for, where the reply has more by an exact count; else None.

    `fields` are those of the turn. Any: they are what its instants and counts are made of.
    """
    tokens = fields.get("tokens")
    if limit is None or tokens is None or tokens <= limit or fields["token_source"] not in COUNTED:
        return None
    return None if any(name in extra for name in LIMITS) else limit
