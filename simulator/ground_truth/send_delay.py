"""Histogram of how much later than scheduled events were sent, in buckets of 20 µs."""

from __future__ import annotations

BUCKET_NS = 20_000
BUCKETS = 10_000
LATE_MS = 10
TAILS = ((368, 0.01), (72, 0.05), (36, 0.10), (6, 0.50))
"""From so many writes on, this share of them may be late by more than LATE_MS; with more, the simulator itself had too
little of a core. They are the tails of p99, p95, p90 and p50, and the least counts that support these percentiles."""


class SendDelayHistogram:
    """Steps: first send begun − due. Events: stamp of the send − due."""

    def __init__(self) -> None:
        self._steps = [0] * (BUCKETS + 1)
        self._events = [0] * (BUCKETS + 1)
        self._worst = [0, 0]
        self.resyncs = 0

    def step(self, late_ns: int) -> None:
        """The sends of one step began this late."""
        self._steps[min(BUCKETS, late_ns // BUCKET_NS)] += 1
        if late_ns > self._worst[0]:
            self._worst[0] = late_ns

    def event(self, late_ns: int) -> None:
        """One write was sent this late."""
        self._events[min(BUCKETS, late_ns // BUCKET_NS)] += 1
        if late_ns > self._worst[1]:
            self._worst[1] = late_ns

    @property
    def writes(self) -> tuple[int, int]:
        """How many writes were late by more than LATE_MS, and how many there were."""
        return sum(self._events[LATE_MS * 1_000_000 // BUCKET_NS :]), sum(self._events)

    @property
    def starved(self) -> bool:
        """Whether the times in the truth log are those of a machine too busy to keep the profile's."""
        late, of = self.writes
        share = next((share for least, share in TAILS if of >= least), 1.0)
        return late > share * of or self.resyncs > 0

    def summary(self) -> dict[str, object]:
        """ms at p50, p99 and worst (the bucket's upper edge), for steps and writes."""
        return {
            "starved": self.starved,
            "steps": _spread(self._steps, self._worst[0]),
            "writes": _spread(self._events, self._worst[1]),
            "resyncs": self.resyncs,
        }


def _spread(counts: list[int], worst_ns: int) -> dict[str, float | int | None]:
    n = sum(counts)
    spread: dict[str, float | int | None] = {"n": n}
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        spread[name] = None
        seen = 0
        for bucket, count in enumerate(counts):
            seen += count
            if n and seen >= share * n:
                spread[name] = round(min((bucket + 1) * BUCKET_NS, worst_ns) / 1e6, 3)
                break
    spread["max_ms"] = round(worst_ns / 1e6, 3) if n else None
    return spread
