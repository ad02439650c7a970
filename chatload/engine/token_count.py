"""How many tokens a reply had, and how we know.

Order of trust: the server's usage > its per-event counts > events of a dialect that sends one token an
event > the limit we set, when it was reached (the server says so, or was told to ignore the end of sequence)
> the number of events (an estimate).
"""

from __future__ import annotations

from dataclasses import dataclass

MERGED_AT_MOST = 4
"""vLLM 0.1.2 merges up to 3 tokens an event under load (protocols.md §0.3); one more for safety."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the deltas of one reply showed, before anybody says how many tokens that is.

    `counted` is the sum of per-event counts, or None when one event lacked its count;
    `counted_first` that of the events up to and including the first with text.
    `ignores_eos`: the answer goes on to the limit, even where the server never names a finish reason.
    """

    usage_tokens: int | None
    counted: int | None
    counted_first: int | None
    events: int
    characters: int
    characters_first: int
    finish: str | None
    max_tokens: int | None
    one_token_per_event: bool
    ignores_eos: bool = False


def tokens_of(seen: Seen) -> tuple[int, str]:
    """(n, source); source is usage, per_event, one_per_event, limit, estimate or none."""
    if seen.usage_tokens is not None:
        return seen.usage_tokens, "usage"
    if seen.counted is not None and seen.events:
        return seen.counted, "one_per_event" if seen.one_token_per_event else "per_event"
    limit = seen.max_tokens
    reached = seen.finish == "length" or (seen.ignores_eos and seen.finish == "end")
    if reached and limit and seen.events <= limit <= seen.events * MERGED_AT_MOST:
        return limit, "limit"
    return seen.events, "estimate" if seen.events else "none"


def first_event_tokens_of(seen: Seen, tokens: int) -> tuple[int | None, str]:
    """(tokens up to and including the first event with text, how we know).

    Counted where the server tells per event. One where there are about as many events as tokens (an EOS
    token has no text, so n may be a little larger). Else that event's share of the text, at least 1.
    """
    if not seen.events or not seen.characters:
        return None, "none"
    if seen.counted_first is not None:
        return max(1, seen.counted_first), "counted"
    if tokens <= 1.1 * seen.events + 1:
        return 1, "one_per_event"
    share = round(tokens * seen.characters_first / seen.characters)
    return max(1, min(tokens, share)), "share_of_text"


def tail_tokens_of(seen: Seen, tokens: int) -> int:
    """1 where the server's usage counts an end-of-sequence token that no event with text stands for.

    vLLM counts it and shows it as an empty event; it is recognised by usage being one more than the events
    of a reply that ended by itself. Where events hold several tokens it cannot be told, and is 0.
    """
    unseen = seen.usage_tokens is not None and seen.finish not in (None, "length")
    return 1 if unseen and seen.events and tokens == seen.events + 1 else 0
