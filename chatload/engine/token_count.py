"""Counts the tokens of a reply that a reader could see arrive, and those that the server bills, with their source.

Order of trust: the server's usage > its per-event counts > events of a dialect that sends one token per event > the
limit we set, if it was reached (the server reports it, or was told to ignore the end of sequence) > the number of
events, or of characters if events are single characters (estimates). A count that contradicts the text is not used, and
the turn records why (model/token_sources.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chatload.model.token_sources import LONGEST_MEAN, SHORTEST_MEAN
from chatload.model.turn import Usage

MERGED_AT_MOST = 4
"""vLLM 0.1.2 merges up to 3 tokens per event under load (protocols.md §0.3); one more for safety."""
SPARE, TOOL_SPARE = 4, 32
"""Most tokens without visible text: end of sequence and marks around reasoning, or also around tool calls."""
LONGEST_TOKEN, LEAST_JUDGED = 32, 30
"""Characters of a very long token, and tokens from which on a small mean of characters per token is implausible."""
CHARACTERS_A_TOKEN, LEAST_SINGLE = 4, 20
"""Mean characters per token of English text, and events of single characters from which on they are no tokens."""
NO_USAGE = Usage()


class Part(NamedTuple):
    """The events up to some point: the number with text, the characters of the text, the sum of their token counts."""

    events: int = 0
    characters: int = 0
    counted: int = 0


NO_PART = Part()


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the deltas of one reply showed, from which its tokens are counted.

    `counted`: every event had a token count; `repeated` of them were 0. `tail`: tokens counted after the last text;
    `hidden`: tokens counted without text, and too many for the text after them.
    `most_bytes`: upper bound of the text's size in UTF-8. `ascii`: all text is ASCII. `reasoning` and `tools` are
    numbers of characters. `usage_is_last`: no text came after the last usage. `usage_is_alone`: it came in an event
    without text. `ignores_eos`: the answer goes on to the limit, even if the server never sends a finish reason.
    """

    all: Part = NO_PART
    first_event: Part = NO_PART
    first_read: Part = NO_PART
    usage: Usage = NO_USAGE
    usage_is_last: bool = True
    usage_is_alone: bool = True
    counted: bool = False
    repeated: int = 0
    tail: int = 0
    hidden: int = 0
    most_bytes: int = 0
    ascii: bool = True
    reasoning: int = 0
    tools: int = 0
    finish: str | None = None
    max_tokens: int | None = None
    one_token_per_event: bool = False
    ignores_eos: bool = False


class TokenCount(NamedTuple):
    """n (`tokens`, those that a reader could see) and its source: usage, per_event, one_per_event, limit, characters,
    estimate or none.

    `usage_tokens` is the server's usage, and `doubt` why it was not used. `first_event` and `first_read` are tokens up
    to the end of the first event with text, and of its read; `first_source` is how they are known. `tail` of n came
    after the last text. `trusts_events`: the per-event counts are valid.
    """

    tokens: int
    source: str
    usage_tokens: int | None
    doubt: str
    first_event: int | None
    first_read: int | None
    first_source: str
    tail: int
    trusts_events: bool


def usual_count(
    usage: Usage, events: int, characters: int, first: tuple[int, int], finish: str | None
) -> TokenCount | None:
    """Fast path of `count_tokens` for a usage of about one token per event; None for any other.

    The reply must have no reasoning, tool calls and per-event counts, and its usage must come after the text in an
    event without text. `first`: events up to the end of the first one with text, and of its read.
    """
    told = usage.completion_tokens
    if not told or not characters or not events - 1 <= told <= min(1.1 * events + 1, characters + SPARE):
        return None
    if usage.total_tokens or usage.reasoning_tokens or usage.rejected_tokens:
        return None
    if characters > LONGEST_TOKEN * (told + 1):
        return None
    tail = 1 if finish not in (None, "length") and told == events + 1 else 0
    event, read = max(1, min(told, first[0])), max(1, min(told, first[1]))
    return TokenCount(told, "usage", told, "", event, read, "one_per_event", tail, False)


def count_tokens(seen: Seen) -> TokenCount:
    """The tokens of a reply."""
    usage, doubt = seen.usage.completion_tokens, ""
    trusted = _trusts_events(seen)
    told: int | None = None
    if usage is not None:
        told, doubt = _told_by_usage(seen)
        if trusted and usage <= seen.all.counted + seen.tail + seen.hidden + _spare(seen):
            doubt = ""  # the per-event counts confirm it
    tokens, source = _tokens(seen, told, trusted)
    tail = _tail(seen, tokens, source, trusted)
    first_event, first_source = up_to(seen, seen.first_event, tokens, trusted)
    first_read, _ = up_to(seen, seen.first_read, tokens, trusted)
    billed = _billed(seen)
    if source == "usage" and billed is not None and billed < tokens:
        billed = tokens  # the usage leaves out the reasoning, which was shown
    return TokenCount(tokens, source, billed, doubt, first_event, first_read, first_source, tail, trusted)


def _tokens(seen: Seen, told: int | None, trusted: bool) -> tuple[int, str]:
    """(n, source), by the order of trust."""
    events, counted = seen.all.events, seen.all.counted + seen.tail
    if told is not None and not (trusted and told > counted + _spare(seen)):
        return told, "usage"
    if trusted:
        return counted, "one_per_event" if seen.one_token_per_event else "per_event"
    limit = seen.max_tokens
    reached = seen.finish == "length" or (seen.ignores_eos and seen.finish == "end")
    if reached and limit and events <= limit <= events * MERGED_AT_MOST:
        return limit, "limit"
    if seen.ascii and events >= LEAST_SINGLE and seen.all.characters <= SHORTEST_MEAN * events:
        return max(1, round(seen.all.characters / CHARACTERS_A_TOKEN)), "characters"
    return events, "estimate" if events else "none"


def _told_by_usage(seen: Seen) -> tuple[int | None, str]:
    """(tokens that a reader could see according to the usage, or None; why the usage is doubted, or "")."""
    usage = seen.usage
    told = usage.completion_tokens or 0
    if not seen.usage_is_last or (_lags(seen) and not seen.usage_is_alone):
        return None, "early"
    if not seen.all.characters:
        return (told if seen.one_token_per_event else 0), ""
    if not told:
        return None, "zero"
    if _repeats(seen) and not seen.usage_is_alone:
        return None, "repeats"
    if not _adds_up(seen) and abs(told - seen.all.events) > 1:
        return None, "not_the_sum"
    for tokens in _readings(seen, told):
        if _fits(seen, tokens):
            return tokens, ""
    return None, "too_many" if told > seen.all.events else "too_few"


def _readings(seen: Seen, told: int) -> Iterator[int]:
    """Possible numbers of visible tokens, the likeliest first: not all servers include reasoning in the usage."""
    usage = seen.usage
    billed = _billed(seen) or 0
    beside = billed > told
    reasoning = usage.reasoning_tokens or billed - told
    unseen = usage.rejected_tokens or 0
    if reasoning and not seen.reasoning:
        yield (told if beside else told - reasoning) - unseen
    if reasoning and seen.reasoning and _summarised(seen, reasoning):
        return
    yield billed - unseen
    if reasoning and not beside:
        yield told + reasoning - unseen


def _billed(seen: Seen) -> int | None:
    """Billed tokens: the completion tokens, plus the reasoning if `total` shows that they exclude it.

    Gemini's OpenAI route reports reasoning in `total` only, which then has more tokens than the text can have.
    """
    usage = seen.usage
    told, reasoning = usage.completion_tokens, usage.reasoning_tokens
    if told is None or usage.total_tokens is None or usage.prompt_tokens is None:
        return told
    made = usage.total_tokens - usage.prompt_tokens
    if reasoning:
        return made if made == told + reasoning else told
    return made if made > told > 0 and _fits(seen, told) and not _fits(seen, made) else told


def _adds_up(seen: Seen) -> bool:
    """Whether total = prompt + completion, with or without the reasoning; True if total or prompt is unknown."""
    usage = seen.usage
    if not usage.total_tokens or usage.prompt_tokens is None:
        return True
    return usage.total_tokens - usage.prompt_tokens in (usage.completion_tokens, _billed(seen))


def _summarised(seen: Seen, reasoning: int) -> bool:
    """Whether the visible reasoning is too short for its tokens, and so is only a summary."""
    return reasoning > LEAST_JUDGED and seen.reasoning < SHORTEST_MEAN * reasoning


def _fits(seen: Seen, tokens: int) -> bool:
    """Whether the text can have so many tokens."""
    characters, events = seen.all.characters, seen.all.events
    if tokens < 1 or tokens > seen.most_bytes + _spare(seen) or characters > LONGEST_TOKEN * (tokens + 1):
        return False
    if tokens < events - 1:  # fewer tokens than events: a proxy or the server splits the text otherwise
        return characters <= LONGEST_MEAN * tokens
    too_short = seen.ascii and tokens > LEAST_JUDGED and characters < SHORTEST_MEAN * (tokens - _spare(seen))
    return _one_an_event(tokens, events) or not too_short


def _trusts_events(seen: Seen) -> bool:
    """Whether the per-event counts are valid: present in all events, rising, and plausible for the text."""
    if not seen.counted or not seen.all.events or _lags(seen):
        return False
    return seen.one_token_per_event or (not _repeats(seen) and _fits(seen, seen.all.counted))


def _repeats(seen: Seen) -> bool:
    """Whether the running count did not rise in most events with text."""
    return seen.counted and seen.all.events > 2 and 2 * seen.repeated > seen.all.events


def _lags(seen: Seen) -> bool:
    """Whether each running count excludes its own event: the count of the first event with text is 0."""
    return (
        seen.counted
        and not seen.one_token_per_event
        and seen.first_event.events > 0 == seen.first_event.counted
    )


def _spare(seen: Seen) -> int:
    return TOOL_SPARE if seen.tools else SPARE


def _one_an_event(tokens: int, events: int) -> bool:
    """Whether there are about as many events as tokens; an EOS token has no text, so n may be a little larger."""
    return events - 1 <= tokens <= 1.1 * events + 1


def up_to(seen: Seen, part: Part, tokens: int, trusted: bool) -> tuple[int | None, str]:
    """(tokens of the events of `part`, their source).

    By the server's per-event counts if trusted, else one per event if there are about as many events as tokens, else
    by the share of the text, at least 1.
    """
    if not seen.all.events or not seen.all.characters:
        return None, "none"
    if trusted:
        return max(1, part.counted), "counted"
    if _one_an_event(tokens, seen.all.events):
        return max(1, min(tokens, part.events)), "one_per_event"
    share = round(tokens * part.characters / seen.all.characters)
    return max(1, min(tokens, share)), "share_of_text"


def _tail(seen: Seen, tokens: int, source: str, trusted: bool) -> int:
    """Tokens of n after the last text, usually the end of sequence.

    vLLM counts it and sends an empty event for it. Without per-event counts it is recognised by a usage of one more
    than the events of a reply that ended by itself; if events have several tokens it is unknown, and 0 is returned.
    """
    if trusted and not seen.one_token_per_event:
        return max(0, tokens - seen.all.counted)
    unseen = source == "usage" and seen.finish not in (None, "length")
    return 1 if unseen and seen.all.events and tokens == seen.all.events + 1 else 0
