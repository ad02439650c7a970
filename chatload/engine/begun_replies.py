"""First tokens of unfinished replies, for the figures of a run in progress."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Protocol

MOST_WOKEN = 8
"""Most greenlets that one call of `begun` wakes, so that it never blocks the hub: each decodes its reply so far.

Replies that ended since the last call have reported their first token and reduce this number: with many short replies,
waking others would add nothing new, and cost 1 % of the client's CPU time."""


class Timed(Protocol):
    """The part of a reply's meter (reply_timing.py) that is needed here."""

    first_token_ns: int | None


@dataclass(slots=True)
class OpenReply:
    """The turn of a stream that is being received.

    `told`: `begun` has returned its first token. `seen`: how many reads it had when `begun` last woke its greenlet.
    """

    turn_id: str
    sent_ns: int
    meter: Timed
    told: bool = False
    seen: int = 0


class Opened(Protocol):
    """The part of a `ReplyStream` that is needed here."""

    opened: OpenReply | None

    @property
    def stamps(self) -> Sized:
        """The stamps of the framed reads of its body."""

    @property
    def unframed(self) -> Sized:
        """Its reads that are not framed yet."""

    def wake(self) -> None:
        """Wake its greenlet to decode the reads so far."""


def begun(streams: Iterable[Opened], ended: int = 0) -> dict[str, float]:
    """{turn id: TTFT in ms} of the replies whose first token has become known since the last call.

    It becomes known when reads of the reply are decoded, normally after some 40 reads. This call wakes the greenlets of
    at most MOST_WOKEN − `ended` replies with new reads, so that theirs are decoded by the next call. `ended` is the
    number of replies that ended since the last call.
    """
    found: dict[str, float] = {}
    woken = ended
    for stream in streams:
        one = stream.opened
        if one is None or one.told:
            continue
        first_ns = one.meter.first_token_ns
        if first_ns is not None:
            one.told = True
            found[one.turn_id] = round((first_ns - one.sent_ns) / 1e6, 3)
            continue
        seen = len(stream.stamps) + len(stream.unframed)
        if woken < MOST_WOKEN and seen > one.seen:
            one.seen = seen
            woken += 1
            stream.wake()
    return found
