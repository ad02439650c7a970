"""Which engine steps become visible to a stream, where steps run inside the HTTP event loop (vLLM 0.1.2).

While a step runs the loop is blocked. A stream that has been woken needs two or three passes of the loop before it
writes, and new text replaces text that is not written yet, so under load each event carries 2-3 tokens. A new request
needs several passes before it enters the engine. Measured with the real server over a fake worker
(reference/protocols.md 0.3, 9.1.1). The class draws numbers of steps from a seed; the caller counts steps.
"""

from __future__ import annotations

import math
import random
from itertools import accumulate, pairwise

# streams -> share of events that carry 1, 2, 3 tokens. 4 or fewer: always 1. 24 users: 57, 282, 113 events of
# 452; 100 users: 113, 1337, 4071 of 5521.
EVENT_SHARES: tuple[tuple[int, tuple[float, float, float]], ...] = (
    (4, (1.0, 0.0, 0.0)),
    (24, (0.126, 0.624, 0.250)),
    (100, (0.020, 0.242, 0.738)),
)
# streams -> fewest and most steps from the accepted connection to headers and role event.
ENTRY_STEPS: tuple[tuple[int, tuple[int, int]], ...] = ((1, (0, 1)), (4, (1, 2)), (24, (3, 6)), (100, (5, 8)))
# streams -> fewest and most steps from the step that made a token to the write of its event.
WRITE_STEPS: tuple[tuple[int, tuple[int, int]], ...] = ((4, (0, 0)), (24, (1, 2)), (100, (2, 3)))


def _between(table: tuple[tuple[int, tuple[float, ...]], ...], streams: int) -> tuple[float, ...]:
    """The table's row at `streams`, linear in log(streams) between rows, flat beyond its ends."""
    if streams <= table[0][0]:
        return table[0][1]
    for (low, left), (high, right) in pairwise(table):
        if streams <= high:
            part = math.log(streams / low) / math.log(high / low)
            return tuple(a + part * (b - a) for a, b in zip(left, right, strict=True))
    return table[-1][1]


class StepVisibility:
    """Draws delays in steps for a number of open streams. `blocking` False (other servers): no delays."""

    def __init__(self, *, blocking: bool, seed: int) -> None:
        self.blocking = blocking
        self._draw = random.Random(seed)

    def period_steps(self, streams: int) -> int:
        """The number of tokens in a stream's next event: 1, 2 or 3."""
        if not self.blocking:
            return 1
        shares = list(accumulate(_between(EVENT_SHARES, streams)))
        drawn = self._draw.random() * shares[-1]
        return 1 + sum(drawn >= share for share in shares[:-1])

    def entry_delay_steps(self, streams: int) -> int:
        """The steps that pass before a new request gets its headers and role event and is queued."""
        return self._range(ENTRY_STEPS, streams)

    def write_delay_steps(self, streams: int) -> int:
        """The steps that pass between a stream's first or last token and the write of its event."""
        return self._range(WRITE_STEPS, streams)

    def _range(self, table: tuple[tuple[int, tuple[float, ...]], ...], streams: int) -> int:
        if not self.blocking:
            return 0
        low, high = _between(table, streams)
        return int(low + self._draw.random() * (high - low + 1))
