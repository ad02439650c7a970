"""Whether something between model and reader held a reply back and let it go in bursts, as buffering proxies do.

Instants between bursts are the proxy's: how fast the model wrote cannot be told from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

LEAST_EVENTS = 8
"""Replies of fewer events tell nothing of bursts."""
BURST_EVENTS, BURST_APART_NS = 4, 30_000_000
"""Events an arrival, on average, and the time between arrivals that no polling of ours makes."""
PAIR_EVENTS, PAIR_APART_NS = 2, 100_000_000
"""The same of a slow model before a proxy that waits about 200 ms (haproxy's corked sockets)."""
AT_ONCE_US = 200
"""Events this near to each other came at once."""
HELD_SHARE = 0.1
"""Share of the replies that can be judged beyond which a run is that of a held stream."""


class Arrived(Protocol):
    """What tells it of a turn."""

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


def held(turn: Arrived) -> bool | None:
    """Whether the reply came in bursts; None where it had too few events to tell.

    All at once is one burst, of few events too where these hold many tokens.
    Bursts are told apart by their instants: a large one is read in several pieces.
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


def bursts(turn: Arrived) -> int:
    """How many times something came."""
    return 1 + sum(gap > AT_ONCE_US for gap in turn.gaps_us)
