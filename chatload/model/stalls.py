"""Stalls: gaps long enough for a reader to notice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from chatload.model.turn import Turn


@dataclass(frozen=True, slots=True)
class StallRule:
    """A gap is a stall when it is over `limit_s`, or over `factor` times the turn's own median gap.

    The factor applies only to gaps over `floor_s`, so that a stream of bursts (0, 0, 60 ms) has no stalls.
    """

    limit_s: float = 1.0
    factor: float = 5.0
    floor_s: float = 0.2


DEFAULT_RULE = StallRule()
READER_TOKENS_PER_S = 10.0
"""Default reading speed, in tokens/s."""


def stalls_ms(turn: Turn, rule: StallRule = DEFAULT_RULE) -> list[float]:
    """The turn's stalls, in ms, in order; empty for a held stream, whose gaps are the proxy's."""
    longest_us = turn.longest_gap_us
    if longest_us is None or longest_us <= min(rule.limit_s, rule.floor_s) * 1e6 or turn.held:
        return []
    gaps_us, limit_us = turn.gaps_us, stall_limit_us(turn, rule)
    return [gap / 1000.0 for gap in gaps_us if gap > limit_us]


def stall_limit_us(turn: Turn, rule: StallRule = DEFAULT_RULE) -> float:
    """The limit in µs over which a gap of this turn is a stall. The turn must have gaps."""
    usual_us = median(turn.gaps_us)
    return min(rule.limit_s * 1e6, max(rule.factor * usual_us, rule.floor_s * 1e6))


def reading_underrun_ms(turn: Turn, reader_tokens_per_s: float = 10.0) -> float | None:
    """How long a reader of r tokens/s waits in total after the first token, in ms.

    The reader starts at the first token and reads each event's n_i tokens in n_i / r seconds, then waits for the next
    event if it has not arrived. None where the number of tokens is unknown, or a proxy held the stream.
    """
    if turn.first_token_ns is None or not turn.tokens or turn.held:
        return None
    gaps_us = turn.gaps_us
    if (turn.longest_gap_us or 0) <= _least_tokens(turn, len(gaps_us)) / reader_tokens_per_s * 1e6:
        return 0.0  # each event arrives before the previous one is read
    counts = _tokens_of_events(turn, len(gaps_us))
    times_us = list(accumulate(gaps_us, initial=0))
    read_until_us, waited_us = 0.0, 0.0
    for at_us, tokens in zip(times_us, counts, strict=True):
        if at_us > read_until_us:
            waited_us += at_us - read_until_us
            read_until_us = at_us
        read_until_us += tokens / reader_tokens_per_s * 1e6
    return waited_us / 1000.0


def _tokens_of_events(turn: Turn, later: int) -> list[float]:
    """Tokens of each event from the first token on; spread evenly where the server did not count per event."""
    first = float(turn.first_event_tokens or 1)
    if (event_tokens := turn.event_tokens) is not None:
        return [first, *map(float, event_tokens)]
    return [first] + ([_mean_tokens(turn, first, later)] * later if later else [])


def _least_tokens(turn: Turn, later: int) -> float:
    """The smallest number in `_tokens_of_events`."""
    if turn.event_tokens is not None or not later:
        return min(_tokens_of_events(turn, later))
    first = float(turn.first_event_tokens or 1)
    return min(first, _mean_tokens(turn, first, later))


def _mean_tokens(turn: Turn, first: float, later: int) -> float:
    """Mean tokens of the `later` events after the first token's."""
    return max(0.0, (turn.tokens or 0) - first - turn.tail_tokens) / later
