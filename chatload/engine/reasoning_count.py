"""Counts the reasoning tokens of a reply, and records how they are known."""

from __future__ import annotations

from chatload.engine.token_count import Part, Seen, TokenCount, up_to


def reasoning_fields(
    seen: Seen, count: TokenCount, shown: tuple[int | None, int | None], before: Part, with_answer: Part
) -> dict[str, object]:
    """The fields of a `Turn` on reasoning; empty if there was no reasoning, or its tokens are unknown.

    `shown`: (first token, first answer), in ns. `before` is the reply up to the answer, `with_answer` also includes the
    answer's first event. Order of trust: the server's counts per event > its usage > the number of events, or the
    share of the text (estimates). A usage of more tokens than the reply has is not used.
    """
    first_token_ns, first_answer_ns = shown
    told = seen.usage.reasoning_tokens or 0
    if first_token_ns is None or not (seen.reasoning or first_answer_ns != first_token_ns):
        return _of_usage(told, count)
    part = seen.all if first_answer_ns is None else before
    tokens, source = up_to(seen, part, count.tokens, count.trusts_events)
    if tokens is None:
        return {}
    if part.characters < seen.reasoning:  # some reasoning came within the answer, or in its first event
        share = seen.reasoning / seen.all.characters
        tokens, source = max(1, round(count.tokens * share)), "share_of_text"
    if source != "counted" and 0 < told <= count.tokens:
        tokens, source = told, "usage"
    fields: dict[str, object] = {"reasoning_tokens": tokens, "reasoning_source": source}
    if first_answer_ns is not None:
        until, _ = up_to(seen, with_answer, count.tokens, count.trusts_events)
        least, _ = up_to(seen, before, count.tokens, count.trusts_events)
        fields["first_answer_tokens"] = max(1, (until or 0) - (least or 0))
    return fields


def _of_usage(told: int, count: TokenCount) -> dict[str, object]:
    """The fields for a reply that shows no reasoning: from its usage, unless that is doubted."""
    if not told or count.usage_tokens is None or count.doubt or told > count.usage_tokens:
        return {}
    return {"reasoning_tokens": told, "reasoning_source": "usage"}
