"""TTFT split into parts (part of summary.json)."""

from __future__ import annotations

from typing import Literal

import msgspec

Source = Literal["server, each request", "server, /metrics", "client", "difference"]
"""Where a part comes from: the server in each reply, the mean on its /metrics page, this machine's clock, or the
remainder of TTFT after all other parts."""


class FirstTokenPart(msgspec.Struct, frozen=True):
    """A part of the mean TTFT, in ms. `counted`: how many requests the mean on the /metrics page is of."""

    name: str
    ms: float
    by: Source
    counted: float | None = None


class FirstTokenTime(msgspec.Struct, frozen=True, kw_only=True):
    """Means over `turns` good turns, in ms; `parts` add up to `ttft_ms`.

    `connect_ms` (TLS included) and `send_ms` (the rest from due to sent) come before TTFT begins; `headers_ms` is from
    sent to the end of the response headers, and overlaps the parts that the server reports.
    `unknown` lists what could not be determined, `doubt` is why the parts may be wrong, `stretch` the time they cover.
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
        """The part of this name, in ms; None where it is unknown."""
        return next((one.ms for one in self.parts if one.name == name), None)
