"""Where the time until the first token went (part of summary.json)."""

from __future__ import annotations

from typing import Literal

import msgspec

Source = Literal["server, each request", "server, /metrics", "client", "difference"]
"""Who tells a part: the server in each reply, its /metrics page as a mean, this machine's clock, or nobody: it is what
the others leave."""


class FirstTokenPart(msgspec.Struct, frozen=True):
    """A part of the mean TTFT, in ms. `counted`: of how many requests the /metrics page tells the mean."""

    name: str
    ms: float
    by: Source
    counted: float | None = None


class FirstTokenTime(msgspec.Struct, frozen=True, kw_only=True):
    """Means over `turns` good turns, in ms; `parts` add up to `ttft_ms`.

    `connect_ms` (TLS included) and `send_ms` (the rest from due to sent) come before TTFT begins; `headers_ms` is from
    sent to the end of the response headers, and overlaps the parts that the server tells.
    `unknown` says what nobody tells, and `doubt` why the parts cannot be believed; `stretch` is the time they are of.
    """

    turns: int
    ttft_ms: float
    connect_ms: float
    send_ms: float
    headers_ms: float | None = None
    parts: tuple[FirstTokenPart, ...] = ()
    unknown: tuple[str, ...] = ()
    doubt: str = ""
    stretch: str = ""

    def part(self, name: str) -> float | None:
        """A part, in ms; None where nobody tells it."""
        return next((one.ms for one in self.parts if one.name == name), None)
