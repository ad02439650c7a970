"""First tokens of replies that still come in, for the figures of a run that goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Protocol

MOST_WOKEN = 8
"""Users' greenlets that one look wakes, so that it never holds the hub up: each decodes what has come so far.

Replies that ended since the last look told theirs, and take the place of as many: where replies are short and many,
waking others would tell nothing new, and cost 1 % of all that a client does."""


class Timed(Protocol):
    """What tells the first token of a reply that still comes in: its meter (reply_timing.py)."""

    first_token_ns: int | None


@dataclass(slots=True)
class OpenReply:
    """Whose reply a stream is, for figures of a run that goes on.

    `told`: its first token was told. `seen`: how many of its reads there were when its greenlet was last woken for it.
    """

    turn_id: str
    sent_ns: int
    meter: Timed
    told: bool = False
    seen: int = 0


class Opened(Protocol):
    """What is needed of a `ReplyStream`."""

    opened: OpenReply | None

    @property
    def stamps(self) -> Sized:
        """Of the reads of its body that are framed."""

    @property
    def unframed(self) -> Sized:
        """Its reads that are not."""

    def wake(self) -> None:
        """Have its greenlet decode what has come."""


def begun(streams: Iterable[Opened], ended: int = 0) -> dict[str, float]:
    """{turn id: TTFT in ms} of the replies whose first token is known since the last call.

    It is known as soon as a piece of the reply has been decoded, which happens after some 40 reads; of replies that
    have fewer, a few are decoded earlier, each at most once a call and only where something came since; the more so,
    the fewer replies `ended` since the last call.
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
