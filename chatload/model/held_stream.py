"""Detects replies that something on the way, such as a buffering proxy, held back and released in bursts.

The times between bursts are the proxy's, so the speed of the model cannot be measured from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

LEAST_EVENTS = 8
"""Bursts cannot be detected in replies with fewer events."""
BURST_EVENTS, BURST_APART_NS = 4, 30_000_000
"""Least events per burst and least time between bursts, both on average. Our own polling causes shorter ones."""
PAIR_EVENTS, PAIR_APART_NS = 2, 100_000_000
"""The same for a slow model behind a proxy that waits about 200 ms (haproxy's corked sockets)."""
AT_ONCE_US = 200
"""Events at most this far apart belong to one burst."""
HELD_SHARE = 0.1
"""A run counts as held where more than this share of its replies with enough events are."""


class StreamedReply(Protocol):
    """The fields of a turn that are needed here."""

    @property
    def first_token_ns(self) -> int | None: ...
    @property
    def last_token_ns(self) -> int | None: ...
    @property
    def tokens(self) -> int | None: ...
    @property
    def events(self) -> int: ...
    @property
    def coalesced(self) -> int: ...
    @property
    def gaps_us(self) -> Sequence[int]: ...


def held(turn: StreamedReply) -> bool | None:
    """Whether the reply came in bursts; None where it had too few events.

    A reply of few events that arrived all at once is one burst if these hold many tokens.
    Bursts are separated by time, not by reads, since a large one is read in several pieces.
    """
    if turn.first_token_ns is None or turn.last_token_ns is None:
        return None
    if turn.events < LEAST_EVENTS:
        at_once = turn.last_token_ns - turn.first_token_ns <= 1000 * AT_ONCE_US
        return True if at_once and (turn.tokens or 0) >= LEAST_EVENTS else None
    if PAIR_EVENTS * (turn.events - turn.coalesced) > turn.events:
        return False
    arrivals = bursts(turn)
    if arrivals <= 1:
        return True
    apart_ns = (turn.last_token_ns - turn.first_token_ns) / (arrivals - 1)
    each = turn.events / arrivals
    return (each >= PAIR_EVENTS and apart_ns >= PAIR_APART_NS) or (
        each >= BURST_EVENTS and apart_ns >= BURST_APART_NS
    )


def bursts(turn: StreamedReply) -> int:
    """How many bursts the reply's events came in."""
    return 1 + sum(gap > AT_ONCE_US for gap in turn.gaps_us)
